"""What one epoch of training reports, and which epoch stands for a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from data.errors import UserError
from data.task import ICBHI, task_named
from evidence.objectives import OBJECTIVES, Objective
from evidence.scores import harmonic_score, score, sensitivity, specificity
from model.training.recipe import Recipe


class TrainingError(UserError):
    """Training cannot go on: the loss is no longer finite, or the data cannot be scored."""


@dataclass(frozen=True)
class EpochMetrics:
    """What one epoch reports. Rates and scores are fractions; losses are means over the epoch's batches.

    `terms` has every loss beside the classification loss, before its weight (`model.training.step.Losses`), `seconds`
    the time of training and scoring, and `confusion[i][j]` counts validation cycles of class i that were predicted as j.
    `task` is the name of the task whose labels they are, and which scores them. `sharpness` is measured after the last
    epoch where the recipe asks for it (`model.training.sharpness`), in nats; None else, and where it is not finite.
    """

    epoch: int
    train_loss: float
    cross_entropy: float
    terms: dict[str, float]
    learning_rate: float
    skipped_steps: int
    seconds: float
    confusion: list[list[int]]
    task: str = ICBHI.name
    sharpness: float | None = None

    @property
    def specificity(self) -> float:
        return _defined(specificity(np.array(self.confusion)))

    @property
    def sensitivity(self) -> float:
        return _defined(sensitivity(np.array(self.confusion)))

    @property
    def score(self) -> float:
        """The task's score, strictly: an abnormal cycle counts only under its own class."""
        return _defined(score(np.array(self.confusion), task_named(self.task).score))

    @property
    def any_abnormal_score(self) -> float:
        """The task's score in which an abnormal cycle counts under any abnormal class (the papers' 2-class row)."""
        return _defined(score(np.array(self.confusion), task_named(self.task).score, any_abnormal=True))

    @property
    def harmonic_score(self) -> float:
        """Harmonic mean of the strict rates, HS of the BioCAS challenges."""
        return harmonic_score(self.specificity, self.sensitivity)


def select_epoch(
    history: Sequence[EpochMetrics], recipe: Recipe, objective: Objective = "score"
) -> EpochMetrics:
    """Choose the epoch that stands for the run: the last, or (`selection: best`) the best above `min_sensitivity`.

    `objective`: by what an epoch is better than another.
    """
    if recipe.selection == "last":
        return history[-1]
    sensitive = [metrics for metrics in history if metrics.sensitivity > recipe.min_sensitivity]
    return max(sensitive or history, key=attrgetter(OBJECTIVES[objective]))


def _defined(value: float | None) -> float:
    if value is None:
        raise TrainingError("the score is undefined: no normal or no abnormal cycle was scored")
    return value
