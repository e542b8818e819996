"""Which configurations cannot be told from the best by their scores over seeds: those are tied with it.

The best was chosen because it came out best, so that a plain t test against it finds too many differences. The test is
that of multiple comparisons with the best: configuration i is not tied when its mean lies so far below the highest that
this would happen to a configuration that is truly the best, or equal to it, with a probability of at most 5 %.

References: Gupta, "On some multiple decision (selection and ranking) rules", Technometrics 1965; Hsu, "Simultaneous
confidence intervals for all distances from the best", Annals of Statistics 1981; Dunnett, "A multiple comparison
procedure for comparing several treatments with a control", JASA 1955.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from evidence.distributions import normal_below, normal_density
from evidence.seed_statistics import seed_squares

_NORMAL = np.linspace(-7.0, 7.0, 113)
_NORMAL_WEIGHTS = normal_density(_NORMAL) / normal_density(_NORMAL).sum()
_SCALES = 96
_ROUNDING = 1e-12


def tied_with_best(
    scores: np.ndarray, best: int, chosen_among: int, level: float = 0.05
) -> np.ndarray | None:
    """Say of each row whether its mean cannot be told from that of row `best`, (configurations,); None if unknown.

    `scores` is (configurations, seeds), fractions, NaN where a seed has not finished; row `best` has all of them, and
    the highest mean of those that do. A row without a score is not tied. `chosen_among` counts all configurations that
    could have become the best, whatever became of them. With n_i seeds of row i, all K of the best, and the variance
    between seeds s^2 pooled over all rows, row i is tied when

        mean_best - mean_i <= d s sqrt(1/n_i + 1/K)

    where d is exceeded with probability `level` when all configurations are equal. The best is taken as the highest of
    `chosen_among` means over K seeds, also where a race gave most of them fewer: its winner is one of these means. Seeds
    count as independent between configurations; what they have in common makes ties more frequent, not less.

    None while no configuration has a second seed, as the variance is not known then.
    """
    squares, freedom = seed_squares(scores)
    if not freedom:
        return None
    finished = np.isfinite(scores).sum(1)
    counts = np.maximum(finished, 1)
    mean = np.nansum(scores, 1) / counts
    seeds = scores.shape[1]
    reach = np.array([_reach(chosen_among - 1, int(count), seeds, freedom, level) for count in counts])
    tied = (finished > 0) & (mean[best] - mean <= reach * math.sqrt(squares / freedom) + _ROUNDING)
    tied[best] = True
    return tied


@lru_cache(maxsize=1024)
def _reach(others: int, own: int, seeds: int, freedom: int, level: float) -> float:
    """How far a mean over `own` seeds lies below the highest of `others` means over `seeds` seeds.

    A multiple of the deviation between seeds, as estimated with `freedom`; exceeded with probability `level` when all
    configurations are equal.
    """
    if others < 1:
        return 0.0
    low, high = -50.0, 50.0
    while high - low > 1e-7 * max(1.0, abs(high)):
        middle = (low + high) / 2
        if _exceeded(middle, others, own, seeds, freedom) > level:
            low = middle
        else:
            high = middle
            if high < -49:
                break
    return high


def _exceeded(distance: float, others: int, own: int, seeds: int, freedom: int) -> float:
    """Probability that the highest of `others` means is above a mean over `own` seeds by `distance` deviations."""
    scales, weights = _scales(freedom)
    # Given the own mean, and how far the estimate of the deviation is off, the others are independent.
    above = math.sqrt(seeds) * (distance * scales[:, None] + _NORMAL[None, :] / math.sqrt(own))
    return float(1 - weights @ normal_below(above) ** others @ _NORMAL_WEIGHTS)


@lru_cache(maxsize=256)
def _scales(freedom: int) -> tuple[np.ndarray, np.ndarray]:
    """Values of sqrt(chi^2 / freedom), the estimated over the true deviation, and their probabilities."""
    width = 7 / math.sqrt(2 * freedom)
    scales = np.linspace(max(1 - width, 0.0), 1 + width, _SCALES + 1)
    scales = (scales[1:] + scales[:-1]) / 2
    logarithm = (freedom - 1) * np.log(scales) - freedom * scales**2 / 2
    density = np.exp(logarithm - logarithm.max())
    return scales, density / density.sum()
