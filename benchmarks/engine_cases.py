"""Cases on which policies are played, made-up worlds or recorded curves: their true scores, and what a policy came to.

Our own policies are played on them by the engine, those of others by the models of `engine_models`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweep.config.study_config import StudyConfig
from sweep.simulation.made_up_curves import LearningCurves
from sweep.simulation.simulated_study import SCORE, selected_epoch

WORKERS = 8
"""How many units are trained at a time by the engine, and by models of policies over epochs."""


@dataclass(frozen=True)
class Case:
    """Made-up or recorded curves, by the number of a repeat, and the study that is played on them."""

    name: str
    curves: Callable[[int], LearningCurves]
    config: StudyConfig


@dataclass(frozen=True)
class Played:
    """What one policy came to in one study.

    Seed runs started, epochs and device time as shares of all, and regret in points.
    """

    runs: float
    epochs: float
    time: float
    regret: float


@dataclass(frozen=True)
class Truth:
    """The curves of a repeat as arrays.

    Of each configuration: its scores, (configurations, seeds, epochs), the scores that stand for its seeds, its quality,
    and the seconds of an epoch.
    """

    scores: np.ndarray
    chosen: np.ndarray
    quality: np.ndarray
    seconds: np.ndarray

    def played(self, winner: int, runs: int, epochs: np.ndarray) -> Played:
        """Measure a policy by its winner, its seed runs and the epochs that it trained of each configuration."""
        every_epoch = self.scores.shape[1] * self.scores.shape[2]
        return Played(
            runs,
            float(epochs.sum()) / self.scores.size,
            float(epochs @ self.seconds / (every_epoch * self.seconds.sum())),
            100 * float(self.quality.max() - self.quality[winner]),
        )

    def raced(self, winner: int, runs: np.ndarray) -> Played:
        """Measure a policy that trains every unit to its end, `runs` of each configuration."""
        return self.played(winner, int(runs.sum()), runs * self.scores.shape[2])


def truth_of(curves: LearningCurves, config: StudyConfig, points: Sequence[Mapping[str, Any]]) -> Truth:
    """Draw every curve of the configurations at `points`, with all seeds of the study."""
    recipes = [config.space.recipe(point) for point in points]
    units = [
        [curves.curve(point, seed, recipe.epochs) for seed in config.seeds]
        for point, recipe in zip(points, recipes, strict=True)
    ]
    chosen = [
        [curve[selected_epoch(curve, recipe) - 1, SCORE] for curve in of_one]
        for of_one, recipe in zip(units, recipes, strict=True)
    ]
    return Truth(
        np.array([[curve[:, SCORE] for curve in of_one] for of_one in units]),
        np.array(chosen),
        np.array([curves.quality(point) for point in points]),
        np.array([curves.seconds(point) for point in points]),
    )
