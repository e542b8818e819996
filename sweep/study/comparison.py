"""What the seeds of a study can tell about its configurations: who is tied with the best, and how lucky the best was."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from evidence.luck import Belief, believe
from evidence.ties import tied_with_best
from sweep.study.board import Board
from sweep.study.units import State


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


def comparison_of(board: Board) -> Comparison | None:
    """Compare the configurations of a study by their scores so far; None while none has all seeds, or none competes.

    A score is here what the study ranks by (`Board.objective`).

    Scores of dropped and failed configurations count with the seeds that they got. Those that were pruned on their
    first curve count as worse than three quarters of those that were not.
    """
    ranking = board.scores.ranking()
    if not ranking or not board.competes:
        return None
    pruned = sum(bool(configuration.units_in(State.PRUNED)) for configuration in board.configurations)
    scores = np.ascontiguousarray(board.scores.ranked)
    return _compared(scores.tobytes(), scores.shape, ranking[0], pruned, board.metric)


@lru_cache(maxsize=8)
def _compared(content: bytes, shape: tuple[int, int], best: int, pruned: int, metric: str) -> Comparison:
    """Compare once for as long as no score comes: a table is drawn every second."""
    scores = np.frombuffer(content).reshape(shape)
    finished = np.isfinite(scores).sum(1)
    means = np.where(finished > 0, np.nansum(scores, 1) / np.maximum(finished, 1), np.nan)
    belief = believe(scores, pruned)
    probability = np.full(len(scores), np.nan) if belief is None else belief.best()
    return Comparison(best, tied_with_best(scores, best, len(scores)), probability, means, belief, metric)
