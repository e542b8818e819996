"""How important mel bands are: importances of folds and classes combined, and groups removed until scores fall."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from data.bands import RankingRound

GROUP = 4
"""Adjacent bands that are ranked as one: Grad-CAM tells no single bands apart."""
TOLERANCE = 0.005
"""Score that may be lost against the best, a fraction: half a point."""
PATIENCE = 2
"""Rounds in a row below that, after which removing ends."""
LEAST = 16
"""Bands below which no round goes."""

Groups = tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class Trained:
    """What networks of all folds came to with some bands: mean score, and S of each band, in the bands' order."""

    score: float
    importance: Float[np.ndarray, " bands"]


@dataclass(frozen=True)
class Removals:
    """An order of groups, best first, and the rounds that it comes from."""

    groups: Groups
    rounds: tuple[RankingRound, ...]

    @property
    def best_keep(self) -> int:
        """Count the bands of the smallest set within half a point of the best score."""
        best = max(one.score for one in self.rounds)
        return min(one.bands for one in self.rounds if one.score >= best - TOLERANCE)


def band_groups(bands: int, size: int = GROUP) -> Groups:
    """Divide bands from 0 on into groups of adjacent ones; the last group may be smaller."""
    return tuple(tuple(range(start, min(start + size, bands))) for start in range(0, bands, size))


def consistent_importance(
    cases: Float[np.ndarray, "cases bands"], penalty: float
) -> Float[np.ndarray, " bands"]:
    """S = mean - penalty * standard deviation (of the cases themselves, n in the denominator), for each band.

    A case is a class of a fold. Only bands that matter in all of them come out high.
    """
    return cases.mean(axis=0) - penalty * cases.std(axis=0)


def fold_correlations(importances: Sequence[Float[np.ndarray, " bands"]]) -> tuple[float | None, ...]:
    """Spearman's correlation between S of each two folds; None where a fold's S is constant."""
    return tuple(
        None
        if min(np.ptp(one), np.ptp(other)) == 0
        else float(np.corrcoef(rankdata(one), rankdata(other))[0, 1].clip(-1, 1))
        for one, other in combinations(importances, 2)
    )


def remove_least_important(
    groups: Groups, train: Callable[[tuple[int, ...]], Trained], rounds: int | None, least: int = LEAST
) -> Removals:
    """Train, remove the group of lowest mean S, and train again with the rest, until a stop.

    Ends after `rounds` removals (None: no limit), before fewer than `least` bands are left, or when the score was more
    than half a point below the best so far in two rounds in a row. What was removed later ranks higher; the groups
    that are left rank by their S in the last round.
    """
    left, removed, told = groups, list[tuple[int, ...]](), list[RankingRound]()
    while True:
        bands = _bands(left)
        found = train(bands)
        told.append(_round(bands, removed, found.score))
        means = _group_means(left, dict(zip(bands, found.importance.tolist(), strict=True)))
        best_first = sorted(left, key=lambda group: (-means[group], group))
        if _ends(told, rounds) or len(bands) - len(best_first[-1]) < least:
            return Removals((*best_first, *reversed(removed)), tuple(told))
        removed.append(best_first[-1])
        left = tuple(group for group in left if group != best_first[-1])


def remove_backward(
    groups: Groups, score: Callable[[tuple[int, ...]], float], rounds: int | None, least: int = LEAST
) -> Removals:
    """Remove in each round the group without which networks score best, trying them all, until a stop.

    Stops are those of `remove_least_important`. The groups that are left rank by how low the score was without them
    when that was last tried; before it ever was, in order of frequency.
    """
    left, removed, without = groups, list[tuple[int, ...]](), dict[tuple[int, ...], float]()
    told = [_round(_bands(left), removed, score(_bands(left)))]
    while not _ends(told, rounds):
        may_go = [group for group in left if len(_bands(left)) - len(group) >= least]
        if not may_go:
            break
        without |= {group: score(_bands(other for other in left if other != group)) for group in may_go}
        worst = max(may_go, key=lambda group: without[group])
        removed.append(worst)
        left = tuple(group for group in left if group != worst)
        told.append(_round(_bands(left), removed, without[worst]))
    best_first = sorted(left, key=lambda group: (without.get(group, math.inf), group))
    return Removals((*best_first, *reversed(removed)), tuple(told))


def _round(bands: tuple[int, ...], removed: Sequence[tuple[int, ...]], score: float) -> RankingRound:
    return RankingRound(bands=len(bands), removed=removed[-1] if removed else (), score=score)


def _ends(rounds: Sequence[RankingRound], most: int | None) -> bool:
    if most is not None and len(rounds) > most:
        return True
    scores = [one.score for one in rounds]
    fell = [score < max(scores[: number + 1]) - TOLERANCE for number, score in enumerate(scores)]
    return len(fell) >= PATIENCE and all(fell[-PATIENCE:])


def _group_means(groups: Groups, importance: dict[int, float]) -> dict[tuple[int, ...], float]:
    return {group: sum(importance[band] for band in group) / len(group) for group in groups}


def _bands(groups: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    return tuple(sorted(band for group in groups for band in group))
