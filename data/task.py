"""Tasks: the labels of a data set, which of them is normal, and how answers are scored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from data.own_code import is_own, own_object
from data.settings import ConfigError
from evidence.scores import SCORES

if TYPE_CHECKING:
    from data.dataset import DataSet


@dataclass(frozen=True)
class Task:
    """What is to be told apart; the label of a cycle is a position in `labels`, and `labels[0]` is normal.

    `score` says how specificity and sensitivity become one number: `average`, their mean (the ICBHI Score), or
    `challenge`, the mean of their arithmetic and their harmonic mean (the Score of the BioCAS challenges). With
    `whole_recordings` every recording is one cycle from its start to its end. `read` reads a folder of recordings for
    this task alone (docs/own_parts.md); None for the tasks of ICBHI and SPRSound.
    """

    name: str
    labels: tuple[str, ...]
    score: Literal["average", "challenge"]
    whole_recordings: bool = False
    read: Callable[[Path], DataSet] | None = field(default=None, compare=False, repr=False)

    @property
    def num_classes(self) -> int:
        return len(self.labels)

    def score_of(self, specificity: float, sensitivity: float) -> float:
        """Compute the score, in [0, 1], of two rates in [0, 1]."""
        return SCORES[self.score](specificity, sensitivity)

    @property
    def always_normal_score(self) -> float:
        """Score, in [0, 1], of answering normal to everything: specificity 1, sensitivity 0."""
        return self.score_of(1.0, 0.0)

    @property
    def score_name(self) -> str:
        """The score's name for people."""
        return "ICBHI Score" if self.score == "average" else "challenge Score"


ICBHI = Task("icbhi", ("normal", "crackle", "wheeze", "both"), "average")
"""The four classes of ICBHI 2017; SPRSound's events fit them too (`data.sprsound_annotations`)."""

SPRSOUND = (
    Task("1-1", ("normal", "adventitious"), "challenge"),
    Task(
        "1-2",
        (
            "normal",
            "rhonchi",
            "wheeze",
            "stridor",
            "coarse crackle",
            "fine crackle",
            "wheeze+crackle",
        ),
        "challenge",
    ),
    Task("2-1", ("normal", "adventitious", "poor quality"), "challenge", whole_recordings=True),
    Task("2-2", ("normal", "CAS", "DAS", "CAS & DAS", "poor quality"), "challenge", whole_recordings=True),
)
"""The official tasks on SPRSound: events in two and seven classes, whole recordings in three and five.

CAS and DAS are continuous and discontinuous adventitious sounds. Reference: Zhang et al., "Grand Challenge on
Respiratory Sound Classification", IEEE BioCAS 2022.
"""

TASKS = {task.name: task for task in (ICBHI, *SPRSOUND)}


def task_named(name: str) -> Task:
    """Find a task by its name; of a user's own, `module:NAME`, in that module, and called so.

    Raises ConfigError, with the names there are, for any other name, and for what is no task with labels and a reader.
    """
    if is_own(name):
        return replace(_own_task(name), name=name)
    if name not in TASKS:
        raise ConfigError(
            f"no task is called {name!r}; expected one of {', '.join(TASKS)}, or one of your own as module:NAME"
        )
    return TASKS[name]


def _own_task(name: str) -> Task:
    task = own_object(name)
    if not isinstance(task, Task):
        raise ConfigError(f"{name}: expected a data.task.Task, got {type(task).__name__}")
    if task.read is None:
        raise ConfigError(
            f"{name}: has no `read`; expected a function from a folder to a data.dataset.DataSet"
        )
    if len(task.labels) < 2 or len(set(task.labels)) < len(task.labels):
        raise ConfigError(f"{name}: labels: expected two or more that differ, got {task.labels}")
    if task.score not in SCORES:
        raise ConfigError(f"{name}: score: expected one of {', '.join(SCORES)}, got {task.score!r}")
    return task
