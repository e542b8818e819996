"""`respsweep explain`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.bands import Method
from sweep.commands.console import say, say_aside
from sweep.commands.options import STUDIES, DataOption, StudiesOption, study_names


def explain(
    name: Annotated[
        str,
        typer.Argument(
            help="A study, whose NAME-finish answers if it has finished, or a folder of export --weights.",
            autocompletion=study_names,
        ),
    ],
    audio: Annotated[Path, typer.Argument(help="A WAV or FLAC file.")],
    cycle: Annotated[int, typer.Option(min=0, help="Which cycle of it, from 0, as predict lists them.")] = 0,
    label: Annotated[str | None, typer.Option(help="What to explain; default: the label answered.")] = None,
    method: Annotated[
        Method | None,
        typer.Option(help="Default: grad_cam for cnn_tsa, integrated_gradients for all others."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="One seed's network; default: the mean over all seeds' networks.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="Folder with a STEM.txt (ICBHI) or STEM.json (SPRSound) for the recording."),
    ] = None,
    output: Annotated[
        Path, typer.Option(help="Folder for AUDIO-cycle-N.svg, a figure, and .csv, a row a cell.")
    ] = Path(),
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Show which cells of a cycle's spectrogram an answer rests on, as a figure and a table."""
    from data.atomic import make_folder
    from sweep.commands.output_places import check_output_folder
    from sweep.evaluation.explain import explain as explained
    from sweep.evaluation.predict import Cutting, predictor_named
    from sweep.report.explained_cycle import write_explained

    check_output_folder(output)
    predictor = predictor_named(name, studies, seed, Cutting(annotations), data)
    for line in predictor.notes():
        say_aside(line)
    found = explained(predictor, audio, cycle, label, method)
    make_folder(output, exist_ok=True)
    figure, table = write_explained(found, output, f"{audio.stem}-cycle-{cycle}")
    say(found.title)
    say(f"written: {figure}, {table}")
