"""`respsweep predict`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sweep.commands.console import console, say_aside
from sweep.commands.options import STUDIES, DataOption, StudiesOption, study_names

Form = Literal["table", "csv", "json", "audacity"]


def predict(
    name: Annotated[
        str,
        typer.Argument(
            help="A study, whose NAME-finish answers if it has finished, or a folder of export --weights.",
            autocompletion=study_names,
        ),
    ],
    audio: Annotated[list[Path], typer.Argument(help="WAV or FLAC files, and folders of them.")],
    seed: Annotated[
        int | None, typer.Option(help="One seed's network; default: the mean of all seeds' probabilities.")
    ] = None,
    annotations: Annotated[
        Path | None,
        typer.Option(help="Folder with a STEM.txt (ICBHI) or STEM.json (SPRSound) for each recording."),
    ] = None,
    window: Annotated[
        float | None,
        typer.Option(help="Seconds of a fixed window; default without annotations: a cycle of the recipe."),
    ] = None,
    hop: Annotated[
        float | None, typer.Option(help="Seconds from window to window; default: the window.")
    ] = None,
    form: Annotated[
        Form, typer.Option("--format", help="audacity: labels, in a file each with --output DIR.")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="File to write, or for audacity a folder; default: print.")
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            help="Further studies or folders of weights: each recording goes to that for its patient's age.",
            autocompletion=study_names,
        ),
    ] = None,
    age: Annotated[
        float | None,
        typer.Option(help="Years of the patient of all recordings; default: as names or the data set say."),
    ] = None,
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Tell how probable each label is in each cycle of new recordings, and in each recording."""
    from rich.progress import track

    from data.atomic import make_folder, write_whole
    from data.errors import DataError
    from data.given_recordings import find_audio
    from data.settings import ConfigError
    from sweep.commands.output_places import check_output_file, check_output_folder
    from sweep.evaluation.predict import Cutting
    from sweep.evaluation.routing import router
    from sweep.report.plain_console import PlainConsole
    from sweep.report.prediction_table import (
        audacity_labels,
        label_files,
        prediction_table,
        prediction_text,
    )

    recordings, refused = find_audio(audio)
    files = label_files(recordings) if form == "audacity" else {}
    if form == "audacity" and output is None and len(recordings) > 1:
        raise ConfigError(f"--output: must be a folder for the labels of {len(recordings)} recordings")
    if output is not None and output.resolve() in {path.resolve() for path in recordings}:
        raise ConfigError(f"--output: must be another file than the recording {output}")
    if output is not None:
        (check_output_folder if form == "audacity" else check_output_file)(output)
    cutting = Cutting(annotations, window, hop)
    networks = router([name, *(also or [])], studies, seed, cutting, data, age)
    aside = PlainConsole(stderr=True)
    for line in networks.notes():
        say_aside(line, aside)
    predictions = []
    hidden = len(recordings) < 2 or not aside.is_terminal
    for path in track(recordings, "Recordings", console=aside, disable=hidden):
        try:
            predictions.append(networks.predict(path))
        except DataError as error:
            refused.append(str(error))
    for line in refused:
        say_aside(f"error: {line}", aside)
    labels = networks.labels
    if form == "audacity" and output is not None:
        make_folder(output)
        for prediction in predictions:
            write_whole(output / files[prediction.path], audacity_labels(prediction))
    elif form == "table" and output is None and predictions:
        console().print(prediction_table(predictions, labels))
    elif predictions:
        text = prediction_text(form, predictions, labels, networks.about())
        if output is None:
            typer.echo(text, nl=False)
        else:
            write_whole(output, text)
    if refused:
        raise typer.Exit(1)
