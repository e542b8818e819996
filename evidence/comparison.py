"""What the seeds of a study tell about its configurations: who is tied with the best, and how lucky the best was."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evidence.luck import Belief, believe
from evidence.ties import tied_with_best


@dataclass(frozen=True)
class Expectation:
    """What to expect of a configuration with other seeds, on the same patients, as fractions.

    `luck` is how much lower `mean` is than the configuration's mean score. The true score lies between `low` and `high`
    with a probability of 95 %.
    """

    luck: float
    mean: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Comparison:
    """Configurations of a study beside its best one, number `best`; arrays have an entry for each configuration.

    `tied`: whether the mean score cannot be told from that of the best at 5 % (`evidence.ties`), the best included; None
    while no configuration has two seeds. `probability_best`: of having the highest true score of those with a score
    (`evidence.luck`), NaN without one. `means`: over the seeds so far. `metric`: what all of this is about, the number
    that the study ranks by.
    """

    best: int
    tied: np.ndarray | None
    probability_best: np.ndarray
    means: np.ndarray
    belief: Belief | None
    metric: str = "score"

    @property
    def chosen_among(self) -> int:
        """Number of configurations among which the best was chosen, also those that were stopped."""
        return len(self.means)

    def is_tied(self, number: int) -> bool:
        """Whether a configuration other than the best cannot be told from the best."""
        return self.tied is not None and number != self.best and bool(self.tied[number])

    def expectation(self, number: int) -> Expectation | None:
        """Return what to expect of a configuration that has a score; None where too little is known."""
        if self.belief is None or np.isnan(self.means[number]):
            return None
        mean = self.belief.expected(number)
        return Expectation(float(self.means[number]) - mean, mean, *self.belief.interval(number))


def compare(scores: np.ndarray, best: int, pruned: int, metric: str = "score") -> Comparison:
    """Compare configurations by their scores, (configurations, seeds), NaN where a seed has not finished.

    `best` is the row of the one that ranks first, `pruned` how many were stopped on the curve of their first seed: they
    count as worse than three quarters of those that were not.
    """
    finished = np.isfinite(scores).sum(1)
    means = np.where(finished > 0, np.nansum(scores, 1) / np.maximum(finished, 1), np.nan)
    belief = believe(scores, pruned)
    probability = np.full(len(scores), np.nan) if belief is None else belief.best()
    return Comparison(best, tied_with_best(scores, best, len(scores)), probability, means, belief, metric)


def comparison_numbers(compared: Comparison | None) -> dict[str, Any] | None:
    """Write a comparison as plain values, as bundles claim it; None where there is nothing to compare.

    `best`: its number, `chosen_among` how many; `tied`: the numbers of those tied with it; `configurations`: by number,
    of those with a score, the probability of being the best, and what to expect with other seeds; None where unknown.
    """
    if compared is None:
        return None
    configurations = {}
    for number in np.flatnonzero(np.isfinite(compared.means)).tolist():
        expected, probability = compared.expectation(number), float(compared.probability_best[number])
        configurations[str(number)] = {
            "probability_best": None if np.isnan(probability) else probability,
            "expected": None if expected is None else asdict(expected),
        }
    return {
        "best": compared.best,
        "chosen_among": compared.chosen_among,
        "tied": [number for number in range(compared.chosen_among) if compared.is_tied(number)],
        "configurations": configurations,
    }
