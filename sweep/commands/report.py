"""`respsweep report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import STUDIES, DataOption, NameArgument, StudiesOption


def report(
    name: NameArgument,
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: report.html in the study.")
    ] = None,
    sounds: Annotated[
        bool, typer.Option("--sounds", help="Also the most confident errors, to hear and to see.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Write it anew while the study runs; an open page follows.")
    ] = False,
    figures: Annotated[
        Path | None, typer.Option(help="Also write each figure as PDF and SVG into this folder.")
    ] = None,
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Write a study as one HTML page that works without a network, also while it runs."""
    from sweep.driver.report import figures_of, watch_report
    from sweep.driver.report import report as write
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.open(studies, name)
    if watch:
        watch_report(folder, output, data, sounds=sounds, say=console().print)
    else:
        console().print(write(folder, output, data, sounds=sounds))
    if figures is not None:
        for file in figures_of(folder, figures):
            console().print(str(file))
