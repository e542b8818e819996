"""`respsweep simulate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import STUDIES, SettingsOption, StudiesOption


def simulate(
    space: Annotated[Path | None, typer.Argument(help="Study file to play.")] = None,
    recorded: Annotated[
        str | None, typer.Option("--from", help="Take the learning curves that this study recorded.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Units at a time.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Simulated studies.")] = 20,
    settings: SettingsOption = None,
    world: Annotated[
        list[str] | None,
        typer.Option("--world", help="FIELD=VALUE of the made-up curves, e.g. seed_sd=0.008. Repeatable."),
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Play a study on made-up or recorded learning curves: what would it cost, what would it find?"""
    from data.settings import ConfigError, parse
    from sweep.config.overrides import overrides
    from sweep.config.study_config import read_study
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.simulation_table import simulation_table
    from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
    from sweep.simulation.recorded_curves import RecordedCurves, recorded_study
    from sweep.simulation.simulate import simulate as simulate_study

    if recorded is not None and world:
        raise ConfigError("--world makes curves up and --from takes recorded ones; give one of them")
    source = StudyFolder.open(studies, recorded) if recorded is not None else None
    config = read_study(space or (source and source.study_file), overrides(settings or []))
    if source is not None:
        curves = partial(RecordedCurves, recorded_study(source, config.seeds))
    else:
        made_up = parse(WorldConfig, overrides(world or []), "--world")
        curves = partial(SyntheticCurves, made_up, config.space)
    console().print(simulation_table(simulate_study(config, curves, workers, repeats)), highlight=False)
