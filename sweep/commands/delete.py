"""`respsweep delete`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sweep.commands.console import say
from sweep.commands.options import STUDIES, NameArgument, StudiesOption


def delete(
    name: NameArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    studies: StudiesOption = STUDIES,
) -> None:
    """Delete a study for good, after asking; says what goes and what stays. Not while it runs."""
    from data.settings import ConfigError
    from sweep.driver.delete import delete_study, what_goes
    from sweep.folder.study_folder import StudyFolder

    folder = StudyFolder.open(studies, name)
    for line in what_goes(folder).lines():
        say(line)
    if not yes:
        if not sys.stdin.isatty():
            raise ConfigError(f"delete {name}: asks first, and nobody is there to answer; give --yes")
        typer.confirm(f"delete {name}?", abort=True)
    delete_study(folder)
    say(f"deleted: {folder.place}")
