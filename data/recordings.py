"""Read recordings for a task, whatever the layout of their folder."""

from __future__ import annotations

from pathlib import Path

from data.dataset import DataSet
from data.icbhi import read_icbhi
from data.settings import ConfigError
from data.task import ICBHI, task_named


def read_recordings(directory: Path, task: str | None = None) -> DataSet:
    """Read and check the recordings in `directory` for the task of that name, or for the only one there is.

    Raises ConfigError for a name that is no task or that the data set does not have, and what the layout's reader
    raises: DataError, naming the file, for recordings that are broken.
    """
    if task is not None and task_named(task) != ICBHI:
        raise ConfigError(
            f"{directory}: recordings in ICBHI's layout have no task {task}; expected {ICBHI.name}"
        )
    return read_icbhi(directory)
