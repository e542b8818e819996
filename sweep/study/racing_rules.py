"""The rules of a race over seeds, and the standings that a rule judges by: arrays with an entry for each row.

A row is a configuration, as in `sweep.study.racing.Race`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from evidence.seed_statistics import seed_squares

# The deviation between seeds that is believed before there are scores, and how many degrees of freedom that is worth.
_SEED_DEVIATION, _BELIEF = 0.015, 4

# Nothing is given up for good on fewer scored configurations or on fewer degrees of freedom of that deviation.
_ENOUGH_ROWS, _ENOUGH_FREEDOM = 8, 4


@dataclass(frozen=True, eq=False)
class Standings:
    """What every rule asks of a race, counted once; each array but `scores` has one entry a row."""

    scores: np.ndarray  # (rows, seeds), NaN where a seed has not finished
    started: np.ndarray  # number of seeds finished or under way
    finished: np.ndarray  # number of seeds with a score
    mean: np.ndarray  # score over the finished seeds; -inf without any
    running: np.ndarray  # whether the row may win: open or complete, with a score
    judged: (
        np.ndarray
    )  # whether the rule decides about the row: open, with a score and with a seed not started
    rank: np.ndarray  # place by mean, from 0; rows that may win come before all others
    best: int | None  # the row with rank 0, if any may win

    @classmethod
    def of(cls, scores: np.ndarray, started: np.ndarray, still_open: np.ndarray) -> Standings:
        """Count the rows of a race: `scores` (rows, seeds), `started` seeds and whether a row is open, each (rows,)."""
        scores = np.where(np.isfinite(scores), scores, np.nan)  # a copy: reasons are written later
        finished = np.isfinite(scores).sum(1)
        mean = np.where(finished > 0, np.nansum(scores, 1) / np.maximum(finished, 1), -np.inf)
        running = (finished > 0) & (still_open | (finished == scores.shape[1]))
        judged = still_open & (finished > 0) & (started < scores.shape[1])
        rank = np.empty(len(scores), dtype=int)
        rank[np.lexsort((-mean, ~running))] = np.arange(len(scores))
        best = int(rank.argmin()) if running.any() else None
        return cls(scores, started, finished, mean, running, judged, rank, best)

    def against(self, best: int | None) -> Callable[[int], str]:
        """Return a function that writes why a row is dropped: its mean and that of row `best`, on common seeds."""

        def text(row: int) -> str:
            opening = f"dropped after seed {self.finished[row]}: "
            if best is None:
                return opening + f"{100 * self.mean[row]:.1f} %"
            both = np.isfinite(self.scores[row]) & np.isfinite(self.scores[best])
            if not both.any():
                return (
                    opening
                    + f"{100 * self.mean[row]:.1f} % against {100 * self.mean[best]:.1f} % on other seeds"
                )
            own, other = self.scores[row, both].mean(), self.scores[best, both].mean()
            return opening + f"{100 * own:.1f} % against {100 * other:.1f} % after as many seeds"

        return text


@dataclass(frozen=True, eq=False)
class RuleResult:
    """A rule's answer for every row; `sweep.study.racing.verdict` then spares leaders and leaves out closed rows."""

    turn: np.ndarray  # whose turn it is: lower numbers get a seed first, and of equals the better mean
    deserving: np.ndarray  # whether the row deserves one more seed as things stand
    lost: np.ndarray  # whether the row is given up for good
    reason: Callable[[int], str]  # writes why a row is dropped, should it be


class Reasons(Mapping[int, str]):
    """Reasons by row, each written when it is read: most are never read."""

    def __init__(self, rows: Sequence[int], reason: Callable[[int], str]) -> None:
        self._rows = dict.fromkeys(rows)
        self._reason = reason

    def __getitem__(self, row: int) -> str:
        if row not in self._rows:
            raise KeyError(row)
        return self._reason(row)

    def __iter__(self) -> Iterator[int]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __repr__(self) -> str:
        return repr(dict(self))


def contenders(standings: Standings, *, p: float, p_drop: float, share: float, at_least: int) -> RuleResult:
    """Give seeds to rows that may end ahead of the best; nothing is believed of a row before its first score.

    The race is over the K seeds of the study, so what is asked of row i is whether its mean over all K will be above
    that of the best row b. With n seeds finished of each and the seed deviation s pooled over all rows,

        P(ahead) = Phi((mean_i - mean_b) / (s sqrt((1/n_i - 1/K) + (1/n_b - 1/K)))).

    A row with k seeds must also be among the best `share`^k of all. This holds back a crowd of near-equals, among
    whom a wrong choice costs little; P alone decides where few are near the best.
    """
    between_seeds, freedom = seed_variance(standings.scores)
    ahead = np.ones(len(standings.mean))
    if standings.best is not None:
        variance = between_seeds * seeds_to_come(standings)
        deviation = np.sqrt(np.maximum(variance + variance[standings.best], np.finfo(float).tiny))
        ahead = ndtr((standings.mean - standings.mean[standings.best]) / deviation)
    scored = int((standings.finished > 0).sum())
    places = np.maximum(at_least, scored * share**standings.started)
    sure = scored >= _ENOUGH_ROWS and freedom >= _ENOUGH_FREEDOM
    text = standings.against(standings.best)

    def reason(row: int) -> str:
        crowd = f", rank {standings.rank[row] + 1} of {scored} where {places[row]:.0f} go on"
        return f"{text(row)}, P(ahead) {_probability(ahead[row])}{crowd if ahead[row] > p else ''}"

    return RuleResult(
        turn=standings.started,
        deserving=(ahead > p) & (standings.rank < places),
        lost=(ahead < p_drop) & sure,
        reason=reason,
    )


def none(standings: Standings) -> RuleResult:
    """Give every row all seeds, the first row first."""
    rows = np.arange(len(standings.mean))
    everyone = np.ones(len(rows), dtype=bool)
    return RuleResult(rows, everyone, ~everyone, standings.against(None))


def beaten_by_front(objectives: np.ndarray, standings: Standings) -> np.ndarray:
    """For each row, the highest probability with which a member of the Pareto front ends ahead in both objectives.

    `objectives` is (rows, seeds, 2); the front is that of the means so far, and ahead are means over all seeds. For a
    member of the front the probability is below 0.5, as no other member has both means above its own.
    """
    front = np.zeros(len(objectives), dtype=bool)
    beaten = np.zeros(len(objectives))
    mean = np.nansum(objectives, 1) / np.maximum(standings.finished, 1)[:, None]
    to_come = seeds_to_come(standings)
    variance = [seed_variance(objectives[:, :, objective])[0] for objective in range(2)]
    falling = np.lexsort((-mean[:, 1], -mean[:, 0]))
    falling = falling[standings.running[falling]]
    # Of equals one is enough: else all that call every breath normal would be on the front, and spared.
    highest = np.maximum.accumulate(np.append(-np.inf, mean[falling, 1]))
    front[falling[mean[falling, 1] > highest[:-1]]] = True
    for member in np.flatnonzero(front):
        deviation = np.sqrt(np.maximum(np.outer(to_come + to_come[member], variance), np.finfo(float).tiny))
        equal = (mean == mean[member]).all(1)
        equal[member] = False
        beaten = np.maximum(beaten, np.where(equal, 1.0, ndtr((mean[member] - mean) / deviation).prod(1)))
    return beaten


def seeds_to_come(standings: Standings) -> np.ndarray:
    """For each row, how far its mean over all seeds may be from its mean so far.

    That is the variance of the difference, as a multiple of the variance between seeds: 1/n - 1/K with n of K seeds
    finished, 0 with all.
    """
    return 1 / np.maximum(standings.finished, 1) - 1 / standings.scores.shape[1]


def seed_variance(scores: np.ndarray) -> tuple[float, int]:
    """Estimate the variance between seeds, and its degrees of freedom, from `scores` (rows, seeds).

    Pooled over all rows, together with what is believed before there are scores.
    """
    squares, freedom = seed_squares(scores)
    return (_BELIEF * _SEED_DEVIATION**2 + squares) / (_BELIEF + freedom), freedom


def _probability(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.005 else "< 0.01"
