"""`respsweep spectral`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweep.commands.console import console, say_aside
from sweep.commands.options import STUDIES, DataOption, StudiesOption, study_names


def spectral(
    name: Annotated[
        str,
        typer.Argument(
            help="A study, or a folder of export --weights, whose network is dass or ast.",
            autocompletion=study_names,
        ),
    ],
    audio: Annotated[list[Path], typer.Argument(help="WAV or FLAC files, and folders of them.")],
    layer: Annotated[
        list[str] | None,
        typer.Option(
            help="STAGE.BLOCK of dass, or LAYER of ast, from 0. Repeatable; default: small maps; three layers."
        ),
    ] = None,
    mode: Annotated[
        Literal["exact", "no_dt"],
        typer.Option(help="no_dt leaves the step size out of what dass takes in, as its authors do."),
    ] = "exact",
    cycles: Annotated[int, typer.Option(min=1, help="The mean is over so many cycles, the first ones.")] = 8,
    seed: Annotated[int | None, typer.Option(help="One seed's network; default: the mean of all.")] = None,
    output: Annotated[Path, typer.Option(help="Folder for spectral.svg and spectral.csv.")] = Path(),
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Draw what layers do to each spatial frequency of their maps, without and with smoothing (Lung-SRAD, Fig. 1, 2)."""
    from data.atomic import make_folder, write_whole
    from data.given_recordings import find_audio
    from sweep.commands.output_places import check_output_folder
    from sweep.evaluation.predict import predictor_named
    from sweep.evaluation.spectral_curves import chosen_layers, heard_cycles, spectral_curves
    from sweep.report.plain_console import PlainConsole
    from sweep.report.spectral_figure import spectral_csv, spectral_svg

    check_output_folder(output)
    recordings, refused = find_audio(audio)
    predictor = predictor_named(name, studies, seed, data=data)
    heard, unread = heard_cycles(predictor, recordings, cycles)
    refused += unread
    for line in refused:
        say_aside(f"error: {line}", PlainConsole(stderr=True))
    if heard is None:
        raise typer.Exit(1)
    curves = list(spectral_curves(predictor, heard, chosen_layers(predictor, heard, layer or []), mode))
    seeds = f"seed{'s' * (len(predictor.seeds) > 1)} {', '.join(map(str, predictor.seeds))}"
    title = f"{predictor.study}, {predictor.recipe.backbone.title}, {seeds}, {len(heard)} cycles, {mode}"
    make_folder(output, exist_ok=True)
    write_whole(output / "spectral.csv", spectral_csv(curves))
    write_whole(output / "spectral.svg", spectral_svg(curves, title))
    for file in ("spectral.csv", "spectral.svg"):
        console().print(str(output / file), highlight=False)
    if refused:
        raise typer.Exit(1)
