"""`respsweep simulate`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, FormatOption, SettingsOption, StudiesOption, study_names


def simulate(
    space: Annotated[
        Path | None, typer.Argument(help="Study file to play; default: the recorded study.")
    ] = None,
    recorded: Annotated[
        str | None,
        typer.Option(
            "--from", help="Take the learning curves that this study recorded.", autocompletion=study_names
        ),
    ] = None,
    curves_file: Annotated[
        Path | None, typer.Option("--curves", help="Take learning curves from this file (export --curves).")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Units at a time.")] = 1,
    repeats: Annotated[int, typer.Option(min=1, help="Simulated studies.")] = 20,
    settings: SettingsOption = None,
    world: Annotated[
        list[str] | None,
        typer.Option("--world", help="FIELD=VALUE of the made-up curves, e.g. epoch_seconds=20. Repeatable."),
    ] = None,
    form: FormatOption = "table",
    studies: StudiesOption = STUDIES,
) -> None:
    """Play a study on made-up or recorded learning curves: what would it cost, what would it find?"""
    from rich.progress import Progress

    from data.settings import ConfigError, parse
    from sweep.config.overrides import overrides
    from sweep.config.study_config import read_study, with_settings
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.simulation_table import simulation_table
    from sweep.report.table_formats import as_data, as_prose
    from sweep.simulation.curves_file import read_curves
    from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
    from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
    from sweep.simulation.simulate import simulate as simulate_study
    from sweep.simulation.study_curves import study_curves

    sources = {"--from": recorded, "--curves": curves_file, "--world": world}
    given = [option for option, value in sources.items() if value]
    if len(given) > 1:
        raise ConfigError(
            f"{' and '.join(given)}: curves are made up or of one recorded study; give one of them"
        )
    curves, place = None, ""
    if recorded is not None:
        source = StudyFolder.open(studies, recorded)
        curves, place = study_curves(source), source.place
    elif curves_file is not None:
        curves, place = read_curves(curves_file), str(curves_file)
    changes = overrides(settings or [])
    if curves is not None and space is None:
        config = with_settings(curves.config, changes, place)
    else:
        config = read_study(space, changes)
    if curves is not None:
        made = partial(RecordedCurves, RecordedStudy(curves, config.seeds))
    else:
        made = partial(SyntheticCurves, parse(WorldConfig, overrides(world or []), "--world"), config.space)
    out = console(stderr=form != "table")
    # Without a thread of its own, as studies are played in forked processes.
    with Progress(console=out, transient=True, auto_refresh=False, disable=not out.is_terminal) as progress:
        bar = progress.add_task("studies played", total=repeats)
        simulation = simulate_study(
            config,
            made,
            workers,
            repeats,
            on_repeat=lambda over: progress.update(bar, completed=over, refresh=True),
        )
    if form in ("json", "csv"):
        from sweep.report.frames import simulation_frame

        say(as_data(simulation_frame(simulation), form).rstrip("\n"))
    elif form == "table":
        out.print(simulation_table(simulation), highlight=False)
    else:
        say(as_prose([simulation_table(simulation)], form))
