"""Which configurations deserve one more seed, and which are given up: pure rules on an array of scores.

Rows are configurations, columns the seeds of the study, which are the same for every configuration.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy.special import ndtr, ndtri
from scipy.stats import wilcoxon

from data.config import Config

ALWAYS_FINISHED = 3  # this many of the best end with all their seeds under every rule

# The deviation between seeds that is believed before there are scores, and how many degrees of freedom that is worth.
_SEED_DEVIATION, _BELIEF = 0.015, 4

# Nothing is given up for good on fewer scored configurations or on fewer degrees of freedom of that deviation.
_ENOUGH_ROWS, _ENOUGH_FREEDOM = 8, 4

# Of two objectives: a row is spared, or at least not given up for good, until a member of the Pareto front is better
# in both with this probability.
_BEATEN, _BEATEN_FOR_GOOD = 0.9, 0.99


class ContendersConfig(Config):
    """A seed goes to who may be better than the present best and is among the best few, fewest seeds first."""

    name: Literal["contenders"] = "contenders"
    p: float = Field(
        default=0.05, gt=0, lt=0.5, description="deserves a seed when P(better than the best) is above"
    )
    p_drop: float = Field(default=0.01, ge=0, lt=0.5, description="given up for good when P(better) is below")
    share: float = Field(default=0.35, gt=0, le=1, description="of the configurations, at most, at each seed")
    at_least: int = Field(default=5, ge=1, description="configurations that `share` leaves in any case")


class PooledZConfig(Config):
    """One configuration after the other, given up at a low z against the best complete one on the same seeds."""

    name: Literal["pooled_z"] = "pooled_z"
    p: float = Field(default=0.05, gt=0, lt=0.5, description="one-sided; 0.05 is z < -1.645")


class WilcoxonConfig(Config):
    """As Optuna's WilcoxonPruner: signed ranks against the best complete configuration on the same seeds."""

    name: Literal["wilcoxon"] = "wilcoxon"
    p: float = Field(default=0.1, gt=0, lt=0.5, description="one-sided; given up below")


class HalvingConfig(Config):
    """Asynchronous successive halving: rungs at 1, 2, 4, ... and all seeds."""

    name: Literal["halving"] = "halving"
    reduction_factor: int = Field(default=2, ge=2, description="one in this many goes on to the next rung")


class NoRacingConfig(Config):
    """Every configuration gets all seeds."""

    name: Literal["none"] = "none"


RacingConfig = Annotated[
    ContendersConfig | PooledZConfig | WilcoxonConfig | HalvingConfig | NoRacingConfig,
    Field(discriminator="name"),
]


@dataclass(frozen=True, eq=False)
class Race:
    """What is known so far; scores are fractions in [0, 1].

    `scores` is (configurations, seeds), NaN where a seed has not finished. `started` counts the seeds finished
    or under way. `open` rows may still get a seed; the others (pruned, failed, dropped before) inform with
    what they have. `objectives` is (configurations, seeds, 2) when sensitivity and specificity are searched
    together; `scores` is then their mean.
    """

    scores: np.ndarray
    started: np.ndarray
    open: np.ndarray
    objectives: np.ndarray | None = None


@dataclass(frozen=True)
class Verdict:
    """Rows, each in one of four at most.

    `order`: deserve one more seed now, the most deserving first. `finalists`: get one all the same, once nobody
    else deserves any. `dropped`: given up for good, and why. `behind`: deserve nothing as things stand, with the
    reason that they get should the race end here.
    """

    order: tuple[int, ...]
    finalists: tuple[int, ...]
    dropped: Mapping[int, str]
    behind: Mapping[int, str]


def verdict(config: RacingConfig, race: Race) -> Verdict:
    """Who gets a seed, who gets none and why, by the rule that `config` names.

    A row is judged once it has a finished seed, and only while it is open and has a seed not started. The best
    three, and the Pareto front of two objectives, get their missing seeds in any case: they are the finalists.
    """
    field = _Field.of(race)
    match config:
        case ContendersConfig():
            opinion = _contenders(config, field)
        case PooledZConfig():
            opinion = _pooled_z(config, field)
        case WilcoxonConfig():
            opinion = _wilcoxon(config, field)
        case HalvingConfig():
            opinion = _halving(config, field)
        case NoRacingConfig():
            opinion = _none(field)
    deserving, lost, kept = opinion.deserving, opinion.lost, field.rank < ALWAYS_FINISHED
    if race.objectives is not None:
        front, beaten = _beaten_by_front(race.objectives, field)
        deserving, lost, kept = (
            deserving | (beaten < _BEATEN),
            lost & (beaten >= _BEATEN_FOR_GOOD),
            kept | front,
        )
    deserving = field.judged & deserving
    later = field.judged & kept & ~deserving
    lost = field.judged & lost & ~deserving & ~later
    behind = field.judged & ~deserving & ~later & ~lost
    place = np.lexsort((field.rank, opinion.turn))
    return Verdict(
        tuple(place[deserving[place]].tolist()),
        tuple(place[later[place]].tolist()),
        _Reasons(np.flatnonzero(lost).tolist(), opinion.reason),
        _Reasons(np.flatnonzero(behind).tolist(), opinion.reason),
    )


def warning(config: RacingConfig, seeds: int) -> str | None:
    """Why a rule can never spare a seed among so many, or None when it can."""
    if not isinstance(config, WilcoxonConfig):
        return None
    # With all seeds run there is nothing left to spare, so the last chance is one seed earlier.
    least = 2.0 ** -(seeds - 1)
    if least < config.p:
        return None
    return (
        f"racing.p: {config.p:g} spares nothing: while one of {seeds} seeds is left to spare, the signed-rank test "
        f"has {seeds - 1} pairs, and its p is {least:g} at best; raise p, give more seeds, or take another rule"
    )


@dataclass(frozen=True, eq=False)
class _Field:
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
    def of(cls, race: Race) -> _Field:
        scores = np.where(np.isfinite(race.scores), race.scores, np.nan)  # a copy: reasons are written later
        finished = np.isfinite(scores).sum(1)
        mean = np.where(finished > 0, np.nansum(scores, 1) / np.maximum(finished, 1), -np.inf)
        running = (finished > 0) & (race.open | (finished == scores.shape[1]))
        judged = race.open & (finished > 0) & (race.started < scores.shape[1])
        rank = np.empty(len(scores), dtype=int)
        rank[np.lexsort((-mean, ~running))] = np.arange(len(scores))
        best = int(rank.argmin()) if running.any() else None
        return cls(scores, race.started.copy(), finished, mean, running, judged, rank, best)

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
class _Opinion:
    """What a rule says of each row; whether it is judged at all, and what is spared, is not the rule's affair."""

    turn: np.ndarray  # lower comes first, then the better mean
    deserving: np.ndarray
    lost: np.ndarray  # for good
    reason: Callable[[int], str]


class _Reasons(Mapping[int, str]):
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


def _contenders(config: ContendersConfig, field: _Field) -> _Opinion:
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
    places = np.maximum(config.at_least, scored * config.share**field.started)
    sure = scored >= _ENOUGH_ROWS and freedom >= _ENOUGH_FREEDOM
    text = field.against(field.best)

    def reason(row: int) -> str:
        crowd = f", rank {field.rank[row] + 1} of {scored} where {places[row]:.0f} go on"
        return f"{text(row)}, P(better) {_probability(better[row])}{crowd if better[row] > config.p else ''}"

    return _Opinion(
        turn=field.started,
        deserving=(better > config.p) & (field.rank < places),
        lost=(better < config.p_drop) & sure,
        reason=reason,
    )


def _pooled_z(config: PooledZConfig, field: _Field) -> _Opinion:
    best = field.best_complete
    z = np.zeros(len(field.mean))
    if best is not None:
        # The best is complete, so that it has every seed that the others have.
        differences = np.nansum(field.scores - field.scores[best], 1) / np.maximum(field.finished, 1)
        z = differences / np.sqrt(2 * _seed_variance(field.scores)[0] / np.maximum(field.finished, 1))
    lost = z < ndtri(config.p)
    text = field.against(best)
    return _depth_first(field, lost, lambda row: f"{text(row)}, z = {z[row]:.1f}")


def _wilcoxon(config: WilcoxonConfig, field: _Field) -> _Opinion:
    best = field.best_complete
    p = np.ones(len(field.mean))
    if best is not None:
        # Optuna prunes nothing whose mean is not below that of the best, nor on fewer than two pairs.
        for row in np.flatnonzero(field.judged & (field.finished >= 2) & (field.mean < field.mean[best])):
            pairs = np.isfinite(field.scores[row])
            differences = field.scores[row, pairs] - field.scores[best, pairs]
            test: Any = wilcoxon(differences, alternative="less", zero_method="zsplit")
            p[row] = test.pvalue
    text = field.against(best)
    return _depth_first(field, p < config.p, lambda row: f"{text(row)}, p {_probability(p[row])}")


def _depth_first(field: _Field, lost: np.ndarray, reason: Callable[[int], str]) -> _Opinion:
    """Who is furthest comes first: comparisons are with complete rows, so that there must soon be one."""
    return _Opinion(-field.started, ~lost, lost, reason)


def _halving(config: HalvingConfig, field: _Field) -> _Opinion:
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
        promoted = there[places < max(1, len(there) // config.reduction_factor)]
        goal[promoted] = np.maximum(goal[promoted], following)
        at[there], rank[there], count[there] = rung, places + 1, len(there)
    text = field.against(field.best)
    return _Opinion(
        turn=-at,
        deserving=field.started < goal,
        lost=np.zeros(len(goal), dtype=bool),
        reason=lambda row: f"{text(row)}, {rank[row]} of {count[row]} at rung {at[row]}",
    )


def _none(field: _Field) -> _Opinion:
    rows = np.arange(len(field.mean))
    everyone = np.ones(len(rows), dtype=bool)
    return _Opinion(rows, everyone, ~everyone, field.against(None))


def _seed_variance(scores: np.ndarray) -> tuple[float, int]:
    """Variance between the seeds of a row, pooled over rows and with what was believed; its degrees of freedom."""
    finished = np.isfinite(scores).sum(1)
    mean = np.nansum(scores, 1) / np.maximum(finished, 1)
    squares = float(np.nansum((scores - mean[:, None]) ** 2))
    freedom = int(np.maximum(finished - 1, 0).sum())
    return (_BELIEF * _SEED_DEVIATION**2 + squares) / (_BELIEF + freedom), freedom


def _beaten_by_front(objectives: np.ndarray, field: _Field) -> tuple[np.ndarray, np.ndarray]:
    """Rows on the Pareto front of means, bool; and for each row the highest P(a member of it is better in both)."""
    front = np.zeros(len(objectives), dtype=bool)
    beaten = np.zeros(len(objectives))
    per_seed = 1 / np.maximum(field.finished, 1)
    mean = np.nansum(objectives, 1) * per_seed[:, None]
    variance = [_seed_variance(objectives[:, :, objective])[0] for objective in range(2)]
    falling = np.lexsort((-mean[:, 1], -mean[:, 0]))
    falling = falling[field.running[falling]]
    # Only the first of equals: many that call every breath normal would all be on the front.
    highest = np.maximum.accumulate(np.append(-np.inf, mean[falling, 1]))
    front[falling[mean[falling, 1] > highest[:-1]]] = True
    for member in np.flatnonzero(front):
        deviation = np.sqrt(np.outer(per_seed + per_seed[member], variance))
        beaten = np.maximum(beaten, ndtr((mean[member] - mean) / deviation).prod(1))
    return front, beaten


def _probability(p: float) -> str:
    return f"= {p:.2f}" if p >= 0.005 else "< 0.01"
