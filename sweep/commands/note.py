"""`respsweep note`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def note(
    name: NameArgument,
    text: Annotated[
        str | None, typer.Argument(help="The note, in the place of an earlier one; empty ('') removes it.")
    ] = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Keep a note with a study, also while it runs, or show the note that is there."""
    from sweep.folder.note import read_note, write_note
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.open(studies, name)
    if text is not None:
        write_note(folder, text)
    say(read_note(folder) or f"{folder.place}: no note")
