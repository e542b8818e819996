"""`respsweep report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import STUDIES, DataOption, StudiesOption


def report(
    name: str,
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: report.html in the study.")
    ] = None,
    sounds: Annotated[
        bool, typer.Option("--sounds", help="Also the most confident errors, to hear and to see.")
    ] = False,
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Write a study as one HTML page that works without a network, also while it runs."""
    from sweep.driver.report import report as write
    from sweep.folder.study_folder import StudyFolder

    console().print(write(StudyFolder.open(studies, name), output, data, sounds=sounds))
