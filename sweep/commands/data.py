"""`respsweep data`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console
from sweep.commands.options import DATA_HELP, TaskOption


def data(directory: Annotated[Path, typer.Argument(help=DATA_HELP)], task: TaskOption = None) -> None:
    """Read a data set, count it, and say what is missing."""
    from data.dataset import census
    from data.recordings import read_recordings
    from sweep.report.dataset_table import dataset_table

    console().print(dataset_table(census(read_recordings(directory, task))))
