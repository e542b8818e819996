"""`respsweep status`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def status(
    name: NameArgument,
    units: Annotated[bool, typer.Option("--units", help="An account of each unit.")] = False,
    studies: StudiesOption = STUDIES,
) -> None:
    """Show who runs a study, what it has done, and what it has spent."""
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.status import study_status

    console().print(study_status(StudyFolder.open(studies, name), units=units), highlight=False)
