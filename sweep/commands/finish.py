"""`respsweep finish`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import DATA_HELP, STUDIES, AddressOption, NameArgument, StudiesOption


def finish(
    name: NameArgument,
    configuration: Annotated[
        int | None, typer.Option(min=0, help="A configuration other than the best, by its number.")
    ] = None,
    seeds: Annotated[
        str | None,
        typer.Option(help="Fresh seeds, e.g. 11,12,13; default: as many as the study has, after its own."),
    ] = None,
    data: Annotated[str | None, typer.Option("--data", help=DATA_HELP)] = None,
    finishing_name: Annotated[
        str | None, typer.Option("--name", help="Name of the finishing study; default: NAME-finish.")
    ] = None,
    address: AddressOption = "local",
    tracking_uri: Annotated[
        str | None, typer.Option(help="MLflow server; default: that of the study.")
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Train a study's best configuration on all training patients, with fresh seeds: the study NAME-finish."""
    from data.settings import ConfigError
    from sweep.evaluation.cross_fold_ranking import read_ranking
    from sweep.evaluation.finish import finishing_folder, finishing_study
    from sweep.evaluation.unified_model import unified_folder, unified_study
    from sweep.folder.study_folder import StudyFolder

    try:
        fresh = [int(seed) for seed in seeds.split(",")] if seeds else None
    except ValueError:
        raise ConfigError(
            f"--seeds: expected whole numbers with commas between them, got {seeds!r}"
        ) from None
    folder = StudyFolder.open(studies, name)
    config = finishing_study(folder, configuration, fresh)
    if configuration is None and (ranking := read_ranking(folder)) is not None:
        say(f"configuration {ranking.best}: the best of its finalists on all folds ({ranking.place})")
    if data is not None:
        config = config.model_copy(update={"data": data})
    if tracking_uri is not None:
        config = config.model_copy(update={"tracking_uri": tracking_uri})
    finishing = finishing_folder(folder)
    if finishing_name is not None:
        finishing = StudyFolder.find(studies, finishing_name)

    from sweep.driver.display import ConsoleDisplay
    from sweep.driver.run import run_study

    run_study(config, finishing, address, ConsoleDisplay(console()), tracking_server=tracking_uri)
    if (unified := unified_study(config)) is not None:
        beside = unified_folder(finishing)
        say(f"the same on patients of any age, to be read on the same patients: {beside.name}")
        run_study(unified, beside, address, ConsoleDisplay(console()), tracking_server=tracking_uri)
    say(f"finished; read the test part once, for all time, with: respsweep test {finishing.arguments}")
