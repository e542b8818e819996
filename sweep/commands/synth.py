"""`respsweep synth`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def synth(
    directory: Annotated[Path, typer.Argument(help="Folder to write; must not exist.")],
    patients: Annotated[int, typer.Option(min=8, help="How many.")] = 24,
    seed: Annotated[int, typer.Option(min=0, help="Of all that is made up.")] = 0,
) -> None:
    """Write synthetic breaths in ICBHI layout."""
    from data.synthetic import write_breaths

    write_breaths(directory, patients=patients, seed=seed)
