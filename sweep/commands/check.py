"""`respsweep check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import say


def check_settings(
    file: Annotated[Path, typer.Argument(help="Study file or recipe, also an exported best.yaml.")],
) -> None:
    """Say that a study file or recipe is in order, or all that is wrong with it: where, what was read, what is right.

    Exit status 1 if something is wrong.
    """
    from data.settings import ConfigError
    from sweep.driver.file_check import check_file

    found = check_file(file)
    if found.problems:
        raise ConfigError("\n".join(found.problems))
    say(found.summary)
