"""`respsweep show`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def show(
    name: NameArgument,
    configuration: Annotated[
        int | None, typer.Argument(min=0, help="One configuration of the study, by its number.")
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Show what a study is: its data, space and rules; or one configuration: its recipe, scores, and why it stopped."""
    from sweep.folder.study_folder import StudyFolder
    from sweep.report.shown_configuration import shown_configuration
    from sweep.report.shown_study import shown_study

    folder = StudyFolder.open(studies, name)
    shown = shown_study(folder) if configuration is None else shown_configuration(folder, configuration)
    console().print(shown, highlight=False)
