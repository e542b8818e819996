"""`respsweep rename`."""

from __future__ import annotations

from typing import Annotated

import typer

from sweep.commands.console import console, say
from sweep.commands.options import STUDIES, StudiesOption, study_names


def rename(
    name: Annotated[
        str, typer.Argument(metavar="OLD", help="A study, by its name.", autocompletion=study_names)
    ],
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="A name that is free.")],
    studies: StudiesOption = STUDIES,
) -> None:
    """Give a study another name, and with it the studies OLD-finish and OLD-folds; not while it runs."""
    from sweep.driver.display import ConsoleDisplay
    from sweep.driver.rename import rename_study, study_to_rename

    folder = study_to_rename(studies, name, new_name)
    renamed = rename_study(folder, new_name, ConsoleDisplay(console()))
    say(f"{folder.place} is now {renamed.place}")
    if (uri := renamed.config().tracking_uri) is not None:
        say(f"its runs at {uri} stay in the experiment {name}, and go on there")
