"""`respsweep compare`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import NAMED, STUDIES, DataOption, StudiesOption, study_names


def compare(
    one: Annotated[str, typer.Argument(metavar="A", help=NAMED, autocompletion=study_names)],
    other: Annotated[str, typer.Argument(metavar="B", help=NAMED, autocompletion=study_names)],
    data: DataOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Compare two studies on the same recordings: their winners, how far these are apart, settings that differ."""
    from sweep.evaluation.study_comparison import compare_studies
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.compared_studies import comparison_parts

    found = compare_studies(StudyFolder.open(studies, one), StudyFolder.open(studies, other), data)
    console().print(comparison_parts(found), highlight=False)
