"""`respsweep retry`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def retry(
    name: NameArgument,
    configuration: Annotated[
        int | None,
        typer.Option(min=0, help="Only this configuration, by its number; default: all that failed."),
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Have failed units of a study tried again, when the study is resumed."""
    from sweep.driver.retry import retry as try_again
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.open(studies, name)
    units = try_again(folder, configuration)
    say(f"to be tried again: {', '.join(units)}; go on with: respsweep run --resume {folder.arguments}")
