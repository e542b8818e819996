"""The rules of a race over seeds, and what they all count first. Each looks at the rows of `sweep.study.racing.Race`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import ndtr, ndtri

# The deviation between seeds that is believed before there are scores, and how many degrees of freedom that is worth.
_SEED_DEVIATION, _BELIEF = 0.015, 4

# Nothing is given up for good on fewer scored configurations or on fewer degrees of freedom of that deviation.
_ENOUGH_ROWS, _ENOUGH_FREEDOM = 8, 4


@dataclass(frozen=True, eq=False)
class Field:
    """The rows of a race, counted once for all rules; each array but `scores` has one entry a row."""

    scores: np.ndarray  # (rows, seeds), NaN where not finished
    started: np.ndarray
    finished: np.ndarray  # seeds
    mean: np.ndarray  # of the finished seeds; -inf without any
    running: np.ndarray  # may win: open or complete, with a score
    judged: np.ndarray  # open, with a score and with a seed not started
    rank: np.ndarray  # by mean, from 0, those that may win before all others
    best: int | None  # the first of them

    @classmethod
    def of(cls, scores: np.ndarray, started: np.ndarray, still_open: np.ndarray) -> Field:
        scores = np.where(np.isfinite(scores), scores, np.nan)  # a copy: reasons are written later
        finished = np.isfinite(scores).sum(1)
        mean = np.where(finished > 0, np.nansum(scores, 1) / np.maximum(finished, 1), -np.inf)
        running = (finished > 0) & (still_open | (finished == scores.shape[1]))
        judged = still_open & (finished > 0) & (started < scores.shape[1])
        rank = np.empty(len(scores), dtype=int)
        rank[np.lexsort((-mean, ~running))] = np.arange(len(scores))
        best = int(rank.argmin()) if running.any() else None
        return cls(scores, started, finished, mean, running, judged, rank, best)

    @property
    def seeds(self) -> int:
        return self.scores.shape[1]

    @property
    def best_complete(self) -> int | None:
        complete = self.finished == self.seeds
        return int(np.where(complete, self.mean, -np.inf).argmax()) if complete.any() else None

    def against(self, best: int | None) -> Callable[[int], str]:
        """Text of a row: its mean and that of `best` on the seeds that both have finished."""

        def text(row: int) -> str:
            opening = f"dropped after seed {self.finished[row]}: "
            if best is None:
                return opening + f"{self.mean[row]:.3f}"
            both = np.isfinite(self.scores[row]) & np.isfinite(self.scores[best])
            if not both.any():
                return opening + f"{self.mean[row]:.3f} against {self.mean[best]:.3f} on other seeds"
            own, other = self.scores[row, both].mean(), self.scores[best, both].mean()
            return opening + f"{own:.3f} against {other:.3f} on the same seeds"

        return text


@dataclass(frozen=True, eq=False)
class RuleResult:
    """What a rule says of each row; whether it is judged at all, and what is spared, is not the rule's affair."""

    turn: np.ndarray  # lower comes first, then the better mean
    deserving: np.ndarray
    lost: np.ndarray  # for good
    reason: Callable[[int], str]


class Reasons(Mapping[int, str]):
    """Reasons by row, written when they are read: most never are."""

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


def contenders(field: Field, *, p: float, p_drop: float, share: float, at_least: int) -> RuleResult:
    """Who may be better than the best, when nothing is believed of a configuration before its first score.

    For row i and best row b, with n seeds each and the seed deviation s pooled over all rows,

        P(better) = Phi((mean_i - mean_b) / (s sqrt(1/n_i + 1/n_b))).

    A row with k seeds must also be among the best `share`^k of all. This holds back a crowd of near-equals, among
    whom a wrong choice costs little; P alone decides where few are near the best.
    """
    seed_variance, freedom = _seed_variance(field.scores)
    better = np.ones(len(field.mean))
    if field.best is not None:
        variance = seed_variance / np.maximum(field.finished, 1)
        better = ndtr((field.mean - field.mean[field.best]) / np.sqrt(variance + variance[field.best]))
    scored = int((field.finished > 0).sum())
    places = np.maximum(at_least, scored * share**field.started)
    sure = scored >= _ENOUGH_ROWS and freedom >= _ENOUGH_FREEDOM
    text = field.against(field.best)

    def reason(row: int) -> str:
        crowd = f", rank {field.rank[row] + 1} of {scored} where {places[row]:.0f} go on"
        return f"{text(row)}, P(better) {_probability(better[row])}{crowd if better[row] > p else ''}"

    return RuleResult(
        turn=field.started,
        deserving=(better > p) & (field.rank < places),
        lost=(better < p_drop) & sure,
        reason=reason,
    )


def pooled_z(field: Field, *, p: float) -> RuleResult:
    best = field.best_complete
    z = np.zeros(len(field.mean))
    if best is not None:
        # The best is complete, so that it has every seed that the others have.
        differences = np.nansum(field.scores - field.scores[best], 1) / np.maximum(field.finished, 1)
        z = differences / np.sqrt(2 * _seed_variance(field.scores)[0] / np.maximum(field.finished, 1))
    lost = z < ndtri(p)
    text = field.against(best)
    return _depth_first(field, lost, lambda row: f"{text(row)}, z = {z[row]:.1f}")


def wilcoxon(field: Field, *, p: float) -> RuleResult:
    best = field.best_complete
    reached = np.ones(len(field.mean))
    if best is not None:
        # Optuna prunes nothing whose mean is not below that of the best, nor on fewer than two pairs.
        for row in np.flatnonzero(field.judged & (field.finished >= 2) & (field.mean < field.mean[best])):
            pairs = np.isfinite(field.scores[row])
            differences = field.scores[row, pairs] - field.scores[best, pairs]
            reached[row] = _signed_rank_p(tuple(differences.tolist()))
    text = field.against(best)
    return _depth_first(field, reached < p, lambda row: f"{text(row)}, p {_probability(reached[row])}")


@functools.lru_cache(maxsize=100_000)
def _signed_rank_p(differences: tuple[float, ...]) -> float:
    # Most rows are as they were at the last verdict, and the test takes 0.1 ms.
    test: Any = stats.wilcoxon(differences, alternative="less", zero_method="zsplit")
    return float(test.pvalue)


def _depth_first(field: Field, lost: np.ndarray, reason: Callable[[int], str]) -> RuleResult:
    """Who is furthest comes first: comparisons are with complete rows, so that there must soon be one.

    But a seed that still runs is waited for as long as others have none: it may be the one that gives the row up.
    """
    running = field.started - field.finished
    return RuleResult(running * (field.seeds + 1) - field.started, ~lost, lost, reason)


def halving(field: Field, *, reduction_factor: int) -> RuleResult:
    """A row is promoted from the highest rung that it has reached, or is on its way to the next already."""
    rungs = [*(2**power for power in range((field.seeds - 1).bit_length())), field.seeds]
    seen = np.isfinite(field.scores)
    goal = np.array(rungs)[np.minimum(np.searchsorted(rungs, field.started), len(rungs) - 1)]
    at = np.ones_like(goal)
    rank, count = np.zeros_like(goal), np.zeros_like(goal)
    for rung, following in itertools.pairwise(rungs):
        there = np.flatnonzero(field.running & (field.finished >= rung))
        counted = seen & (seen.cumsum(1) <= rung)
        mean = np.where(counted, field.scores, 0.0).sum(1)[there] / rung
        places = np.empty(len(there), dtype=int)
        places[np.argsort(-mean, kind="stable")] = np.arange(len(there))
        promoted = there[places < max(1, len(there) // reduction_factor)]
        goal[promoted] = np.maximum(goal[promoted], following)
        at[there], rank[there], count[there] = rung, places + 1, len(there)
    text = field.against(field.best)
    return RuleResult(
        turn=-at,
        deserving=field.started < goal,
        lost=np.zeros(len(goal), dtype=bool),
        reason=lambda row: f"{text(row)}, {rank[row]} of {count[row]} at rung {at[row]}",
    )


def none(field: Field) -> RuleResult:
    rows = np.arange(len(field.mean))
    everyone = np.ones(len(rows), dtype=bool)
    return RuleResult(rows, everyone, ~everyone, field.against(None))


def _seed_variance(scores: np.ndarray) -> tuple[float, int]:
    """Variance between the seeds of a row, pooled over rows and with what was believed; its degrees of freedom."""
    finished = np.isfinite(scores).sum(1)
    mean = np.nansum(scores, 1) / np.maximum(finished, 1)
    squares = float(np.nansum((scores - mean[:, None]) ** 2))
    freedom = int(np.maximum(finished - 1, 0).sum())
    return (_BELIEF * _SEED_DEVIATION**2 + squares) / (_BELIEF + freedom), freedom


def beaten_by_front(objectives: np.ndarray, field: Field) -> np.ndarray:
    """For each row the highest P(better than it in both) of the members of the Pareto front of means.

    For a member itself this is below 0.5: of two members neither has both means above the other's.
    """
    front = np.zeros(len(objectives), dtype=bool)
    beaten = np.zeros(len(objectives))
    per_seed = 1 / np.maximum(field.finished, 1)
    mean = np.nansum(objectives, 1) * per_seed[:, None]
    variance = [_seed_variance(objectives[:, :, objective])[0] for objective in range(2)]
    falling = np.lexsort((-mean[:, 1], -mean[:, 0]))
    falling = falling[field.running[falling]]
    # Of equals one is enough: else all that call every breath normal would be on the front, and spared.
    highest = np.maximum.accumulate(np.append(-np.inf, mean[falling, 1]))
    front[falling[mean[falling, 1] > highest[:-1]]] = True
    for member in np.flatnonzero(front):
        deviation = np.sqrt(np.outer(per_seed + per_seed[member], variance))
        equal = (mean == mean[member]).all(1)
        equal[member] = False
        beaten = np.maximum(beaten, np.where(equal, 1.0, ndtr((mean[member] - mean) / deviation).prod(1)))
    return beaten


def _probability(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.005 else "< 0.01"
