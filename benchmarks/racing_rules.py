"""Rules for a race over seeds that are in use elsewhere, measured beside those of respsweep.

Each is a `sweep.study.racing.Rule`, and plays in a simulated study whose configuration carries it as `racing`.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from scipy.special import ndtri

from sweep.study.racing_rules import RuleResult, Standings, seed_variance


@dataclass(frozen=True)
class PooledZ:
    """Finish one configuration after the other; give up at a low z against the best complete one, on the same seeds.

    `p` is one-sided: 0.05 is z < -1.645. The deviation between seeds is pooled over all configurations.
    """

    p: float = 0.05

    def judge(self, standings: Standings) -> RuleResult:
        best = _best_complete(standings)
        z = np.zeros(len(standings.mean))
        if best is not None:
            finished = np.maximum(standings.finished, 1)
            # The best is complete, so that it has every seed that the others have.
            differences = np.nansum(standings.scores - standings.scores[best], 1) / finished
            z = differences / np.sqrt(2 * seed_variance(standings.scores)[0] / finished)
        text = standings.against(best)
        return _depth_first(standings, z < ndtri(self.p), lambda row: f"{text(row)}, z = {z[row]:.1f}")


@dataclass(frozen=True)
class Wilcoxon:
    """Give up as Optuna's WilcoxonPruner: signed ranks against the best complete configuration, on the same seeds.

    `p` is one-sided. Of s seeds at most s - 1 are compared while one is left to spare, and p is then 2^-(s - 1) at
    best: with five seeds a `p` of 0.0625 or less spares nothing.
    """

    p: float = 0.1

    def judge(self, standings: Standings) -> RuleResult:
        best = _best_complete(standings)
        reached = np.ones(len(standings.mean))
        if best is not None:
            # Optuna prunes nothing whose mean is not below that of the best, nor on fewer than two pairs.
            compared = standings.judged & (standings.finished >= 2) & (standings.mean < standings.mean[best])
            for row in np.flatnonzero(compared):
                pairs = np.isfinite(standings.scores[row])
                differences = standings.scores[row, pairs] - standings.scores[best, pairs]
                reached[row] = _signed_rank_p(tuple(differences.tolist()))
        text = standings.against(best)
        return _depth_first(standings, reached < self.p, lambda row: f"{text(row)}, p = {reached[row]:.2f}")


@dataclass(frozen=True)
class Halving:
    """Asynchronous successive halving: rungs at 1, 2, 4, ... and all seeds, from which one in so many goes on.

    A row is promoted from the highest rung that it has reached, or is on its way to the next already.
    """

    reduction_factor: int = 2

    def judge(self, standings: Standings) -> RuleResult:
        scores, started = standings.scores, standings.started
        seeds = scores.shape[1]
        rungs = [*(2**power for power in range((seeds - 1).bit_length())), seeds]
        seen = np.isfinite(scores)
        goal = np.array(rungs)[np.minimum(np.searchsorted(rungs, started), len(rungs) - 1)]
        at = np.ones_like(goal)
        rank, count = np.zeros_like(goal), np.zeros_like(goal)
        for rung, following in itertools.pairwise(rungs):
            there = np.flatnonzero(standings.running & (standings.finished >= rung))
            counted = seen & (seen.cumsum(1) <= rung)
            mean = np.where(counted, scores, 0.0).sum(1)[there] / rung
            places = np.empty(len(there), dtype=int)
            places[np.argsort(-mean, kind="stable")] = np.arange(len(there))
            promoted = there[places < max(1, len(there) // self.reduction_factor)]
            goal[promoted] = np.maximum(goal[promoted], following)
            at[there], rank[there], count[there] = rung, places + 1, len(there)
        text = standings.against(standings.best)
        return RuleResult(
            turn=-at,
            deserving=started < goal,
            lost=np.zeros(len(goal), dtype=bool),
            reason=lambda row: f"{text(row)}, {rank[row]} of {count[row]} at rung {at[row]}",
        )


def _best_complete(standings: Standings) -> int | None:
    complete = standings.finished == standings.scores.shape[1]
    return int(np.where(complete, standings.mean, -np.inf).argmax()) if complete.any() else None


def _depth_first(standings: Standings, lost: np.ndarray, reason: Callable[[int], str]) -> RuleResult:
    """The row with most seeds comes first: comparisons are with complete rows, so that there must soon be one.

    But a seed that still runs is waited for as long as others have none: it may be what gives the row up.
    """
    running = standings.started - standings.finished
    turn = running * (standings.scores.shape[1] + 1) - standings.started
    return RuleResult(turn, ~lost, lost, reason)


@functools.lru_cache(maxsize=100_000)
def _signed_rank_p(differences: tuple[float, ...]) -> float:
    # Most rows are as they were at the last verdict, and the test takes 0.1 ms.
    test: Any = stats.wilcoxon(differences, alternative="less", zero_method="zsplit")
    return float(test.pvalue)
