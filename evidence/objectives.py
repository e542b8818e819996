"""What a study may choose its configurations by: the task's score, or another number of the same answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

Objective = Literal["score", "any_abnormal", "harmonic"]
"""An objective, as a study file names it."""

OBJECTIVES: dict[Objective, str] = {
    "score": "score",
    "any_abnormal": "any_abnormal_score",
    "harmonic": "harmonic_score",
}
"""The number that each objective is, by its name in reports and tables. Strict, but for `any_abnormal`."""

TITLES = {"score": "score", "any_abnormal_score": "any-abnormal score", "harmonic_score": "harmonic score"}
"""What these numbers are called for people."""


def objective_of(metrics: Sequence[str]) -> Objective:
    """Name the objective by which a study ranks that maximises these numbers: of several, their score."""
    for objective, metric in OBJECTIVES.items():
        if [*metrics] == [metric]:
            return objective
    return "score"
