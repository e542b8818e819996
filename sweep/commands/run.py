"""`respsweep run`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import (
    STUDIES,
    AddressOption,
    ConfigurationsOption,
    GivenDataOption,
    LogOption,
    SettingsOption,
    SpaceArgument,
    StudiesOption,
    TaskOption,
    changed_settings,
    study_names,
)


def run(
    space: SpaceArgument = None,
    data: GivenDataOption = None,
    task: TaskOption = None,
    name: Annotated[
        str | None,
        typer.Option(
            help="Name of the study; default: that of the file. One that exists goes on.",
            autocompletion=study_names,
        ),
    ] = None,
    resume: Annotated[
        str | None,
        typer.Option(
            help="Name of a study to go on with, as it was but for what is given.", autocompletion=study_names
        ),
    ] = None,
    configurations: ConfigurationsOption = None,
    settings: SettingsOption = None,
    address: AddressOption = "local",
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow server; default: a database in the study.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print warnings and the result alone.")] = False,
    log: LogOption = "lines",
    studies: StudiesOption = STUDIES,
) -> None:
    """Search: train configurations over the seeds they deserve, and export the best. Goes on where it stopped.

    With folds: all in the file, or --set folds=all, the finalists are then trained on all folds of patients, and the
    best is chosen by that.
    """
    from sweep.driver.which_study import choose_study

    changes = changed_settings(settings, data, task, configurations)
    changes |= {"tracking_uri": tracking_uri} if tracking_uri is not None else {}
    named = changes.get("tracking_uri")
    folder, config = choose_study(studies, space, name, resume, changes)

    from sweep.driver.display import display_of
    from sweep.driver.run_folds import run_search
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.page.write import FILE

    display = display_of(console(), console(stderr=True), quiet=quiet, log=log)
    run_search(config, folder, address, display, tracking_server=named)
    if log == "json":
        return
    runs = config.tracking_uri or f"respsweep ui {folder.arguments}"
    best = folder if config.crosses is None else StudyFolder.at(studies, config.crosses.study)
    following = f"next, train it on all training patients: respsweep finish {best.arguments}\n"
    say(
        f"best configuration: {best.place}/{best.best.name}   report: {best.place}/{FILE}\n"
        f"{following if config.holds_out else ''}"
        f"again: respsweep leaderboard {folder.arguments}   runs and curves: {runs}"
    )
