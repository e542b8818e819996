"""`respsweep export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, StudiesOption


def export(
    name: str,
    output: Annotated[
        Path | None, typer.Option(help="File to write; default: best.yaml in the study.")
    ] = None,
    configuration: Annotated[
        int | None, typer.Option(min=0, help="A configuration other than the best, by its number.")
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Write a study's best configuration as a recipe with its provenance."""
    from sweep.driver.export import export as write_best
    from sweep.folder.study_folder import StudyFolder

    say(str(write_best(StudyFolder.open(studies, name), output, configuration)))
