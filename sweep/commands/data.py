"""`respsweep data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console


def data(directory: Annotated[Path, typer.Argument(help="Recordings in ICBHI layout.")]) -> None:
    """Read a data set, count it, and say what is missing."""
    from data.dataset import census
    from data.icbhi import read_icbhi
    from sweep.report.dataset_table import dataset_table

    console().print(dataset_table(census(read_icbhi(directory))))
