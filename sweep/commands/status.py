"""`respsweep status`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import show_in
from sweep.commands.options import STUDIES, FormatOption, NameArgument, StudiesOption


def status(
    name: NameArgument,
    units: Annotated[bool, typer.Option("--units", help="An account of each unit.")] = False,
    form: FormatOption = "table",
    studies: StudiesOption = STUDIES,
) -> None:
    """Show who runs a study, what it has done, and what it has spent."""
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.status import study_status
    from sweep.report.status_facts import device_rows, status_facts

    folder = StudyFolder.open(studies, name)
    show_in(
        form,
        [study_status(folder, units=units)],
        lambda: status_facts(folder, units=units),
        lambda: device_rows(folder, units=units),
    )
