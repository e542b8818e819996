"""What the seeds of a study tell about its configurations: who is tied with the best, and how lucky the best was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evidence.luck import Belief, believe
from evidence.ties import tied_with_best

TIES = "ranked", "all"
"""Which configurations may be tied with the best: those with all their seeds, or every one with a score."""


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

    `tied`: whether a configuration is ranked and its mean score cannot be told from that of the best at 5 %
    (`evidence.ties`), the best included; None while no configuration has two seeds. `probability_best`: of having the
    highest true score of those with a score (`evidence.luck`), NaN without one. `means`: over the seeds so far.
    `metric`: what all of this is about, the number that the study ranks by.
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


def compare(
    scores: np.ndarray, ranking: Sequence[int], pruned: int, metric: str = "score", *, ties: str = "ranked"
) -> Comparison:
    """Compare configurations by their scores, (configurations, seeds), NaN where a seed has not finished.

    `ranking`: the rows with all their seeds, the best first; only these are tied. A configuration that was dropped was
    told from the best by the race, though a test of the few seeds that it got may not tell it. `pruned`: how many were
    stopped on the curve of their first seed: they count as worse than three quarters of those that were not.

    `ties`: `ranked`, or `all` for bundles of earlier versions, which called those tied that were dropped too. Raises
    ValueError for another word.
    """
    if ties not in TIES:
        raise ValueError(f"ties {ties!r}; expected one of {', '.join(TIES)}")
    finished = np.isfinite(scores).sum(1)
    means = np.where(finished > 0, np.nansum(scores, 1) / np.maximum(finished, 1), np.nan)
    belief = believe(scores, pruned)
    probability = np.full(len(scores), np.nan) if belief is None else belief.best()
    tied = tied_with_best(scores, ranking[0], len(scores))
    if tied is not None and ties == "ranked":
        tied &= np.isin(np.arange(len(scores)), ranking)
    return Comparison(ranking[0], tied, probability, means, belief, metric)


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
