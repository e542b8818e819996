"""Read recordings for a task, whatever the layout of their folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from data.dataset import DataSet
from data.icbhi import read_icbhi
from data.icbhi_files import folder_of_recordings
from data.own_code import is_own
from data.own_data_set import read_own
from data.settings import ConfigError
from data.sprsound import read_sprsound
from data.sprsound_files import is_sprsound
from data.task import ICBHI, SPRSOUND, Task, task_named


def read_recordings(directory: Path, task: str | None = None) -> DataSet:
    """Read and check the recordings in `directory` for the task of that name, or for the only one there is.

    They may lie some folders deeper, and the data set says where (`read`). Recordings in SPRSound's layout have the
    tasks `icbhi`, `1-1`, `1-2`, `2-1` and `2-2`, all others `icbhi`; a user's own task, `module:NAME`, reads recordings
    itself, and what it returns is checked (`data.own_data_set`). Raises
    ConfigError for a name that is no task or that the data set does not have, and for several tasks of which none is
    named; and DataError, naming the file, for a folder without recordings, which is said before a word on tasks, and
    for recordings that are broken (`read_icbhi`, `read_sprsound`).
    """
    directory = Path(directory)
    if task is not None and is_own(task):
        return read_own(directory, task_named(task))
    folder = folder_of_recordings(directory)
    sprsound = is_sprsound(folder)
    chosen = _chosen(directory, (ICBHI, *SPRSOUND) if sprsound else (ICBHI,), task)
    return read_sprsound(folder, chosen) if sprsound else read_icbhi(directory)


def _chosen(directory: Path, tasks: Sequence[Task], name: str | None) -> Task:
    names = ", ".join(task.name for task in tasks)
    if name is None:
        if len(tasks) > 1:
            raise ConfigError(
                f"{directory}: these recordings have the tasks {names}; name one with --task (in a study file or "
                "Python: task)"
            )
        return tasks[0]
    task = task_named(name)
    if task not in tasks:
        raise ConfigError(f"{directory}: these recordings have no task {name}; expected {names}")
    return task
