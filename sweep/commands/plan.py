"""`respsweep plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import (
    STUDIES,
    ConfigurationsOption,
    FormatOption,
    GivenDataOption,
    SettingsOption,
    SpaceArgument,
    StudiesOption,
    TaskOption,
    changed_settings,
    study_names,
)


def plan(
    space: SpaceArgument = None,
    data: GivenDataOption = None,
    task: TaskOption = None,
    configurations: ConfigurationsOption = None,
    settings: SettingsOption = None,
    workers: Annotated[int, typer.Option(min=1, help="Units at a time.")] = 1,
    probe: Annotated[
        bool, typer.Option(help="Train a few steps here, on noise, to tell what an epoch takes.")
    ] = True,
    epoch_seconds: Annotated[
        float | None, typer.Option(min=1e-6, help="Seconds of an epoch on a worker, in place of the probe.")
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Take learning curves and times that this study recorded.",
            autocompletion=study_names,
        ),
    ] = None,
    price: Annotated[
        float | None,
        typer.Option(
            min=1e-9, help="Price of a GPU, or of a worker without one, for an hour: says the money."
        ),
    ] = None,
    repeats: Annotated[int, typer.Option(min=1, help="Simulated studies.")] = 5,
    address: Annotated[
        str, typer.Option(help="Where it will run: local asks this machine for room for a unit.")
    ] = "local",
    form: FormatOption = "table",
    studies: StudiesOption = STUDIES,
) -> None:
    """Say what a study searches, what it would cost, and what is missing, before it runs; nothing is kept on disk.

    Exit status 1 if something is missing.
    """
    from rich.text import Text

    from data.settings import ConfigError
    from sweep.config.study_config import read_study
    from sweep.driver.plan import plan_study
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.plan_table import plan_parts, plan_text

    if recorded is not None and epoch_seconds is not None:
        raise ConfigError("--from and --epoch-seconds: both say what an epoch takes; give one of them")
    config = read_study(space, changed_settings(settings, data, task, configurations))
    out = console()
    with out.status("simulating studies, and timing a step"):
        planned = plan_study(
            config,
            workers,
            epoch_seconds=epoch_seconds,
            recorded=None if recorded is None else StudyFolder.open(studies, recorded),
            probe=probe,
            price=price,
            repeats=repeats,
            address=address,
        )
    if form == "table":
        for part in plan_parts(planned):
            # Other programs get lines whole.
            out.print(part, highlight=False, soft_wrap=isinstance(part, Text) and not out.is_terminal)
    else:
        say(plan_text(planned, form))
    if planned.missing:
        raise typer.Exit(1)
