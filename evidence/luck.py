"""How much too high the score of the best of many is, and what to expect of each instead.

The best of N configurations was chosen by its score, so part of that score is luck. What is believed of each one's true
score, its mean over endless seeds, follows by Bayes' rule from all scores together. True scores are taken for draws from
one distribution, fitted to the scores:

    true score ~ (1 - w) Normal(m, t^2) + w Normal(u, t^2),    u uniform between `floor` and m

that is a bulk, and below it a share w of bad ones; the mean over n seeds is the true score plus a normal error of
variance s^2/n. Whatever m, t, w and s may be, given the scores, is averaged over. Bayes' rule needs no word about how
seeds were handed out, so a race, which gives seeds to those that look best, changes nothing: each configuration counts
with the seeds that it got. One that was given up on its first curve has no score, and counts as below three quarters of
the others' first scores.

References: Efron, "Tweedie's formula and selection bias", JASA 2011; Robbins, "An empirical Bayes approach to
statistics", 1956. `docs/protocol.md` has how right this is in simulated studies.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from evidence.distributions import normal_below, normal_density
from evidence.seed_statistics import seed_squares

_ROUNDS, _SIZES = 3, (9, 9, 5, 5)
_LIKELY, _NEGLIGIBLE = 3e-3, 1e-4
_SHARE_RATE = 5.0
"""Believed of the share w before there are scores: a density that falls by e every fifth."""
_CUT = 0.25
"""Whoever was given up would have scored below this quantile of the first scores of the others."""
_TINY = 1e-300
_NO_VARIANCE = 1e-18
_POINTS = 240


@dataclass(frozen=True, eq=False)
class Belief:
    """What is believed of each configuration's true score: probabilities of the values in `grid`, which rise.

    `probability` is (configurations, points); rows without a score are NaN.
    """

    grid: np.ndarray
    probability: np.ndarray

    def expected(self, row: int) -> float:
        """Mean of the true score of a row."""
        return float(self.probability[row] @ self.grid)

    def interval(self, row: int, level: float = 0.95) -> tuple[float, float]:
        """Two values between which the true score of a row lies with probability `level`, as much below as above."""
        cumulative = np.cumsum(self.probability[row]) - self.probability[row] / 2
        low, high = np.interp([(1 - level) / 2, (1 + level) / 2], cumulative, self.grid)
        return float(low), float(high)

    def best(self) -> np.ndarray:
        """Probability that a row's true score is the highest, (configurations,); NaN for rows without a score."""
        seen = ~np.isnan(self.probability[:, 0])
        probability = self.probability[seen]
        below = np.log(np.maximum(np.cumsum(probability, axis=1) - probability / 2, _TINY))
        highest = (probability * np.exp(below.sum(0) - below)).sum(1)
        best = np.full(len(seen), np.nan)
        best[seen] = highest / max(float(highest.sum()), _TINY)
        return best


def believe(scores: np.ndarray, given_up: int = 0) -> Belief | None:
    """Find what is believed of each true score, given all scores of a study; None when nothing can be said.

    `scores` is (configurations, seeds), fractions, NaN where a seed has not finished. `given_up` counts configurations
    that were stopped on the curve of their first seed; their rows may be there, without a score, or not.

    None while fewer than two configurations have a score, while none has a second seed, and when the seeds of every
    configuration score the same, so that there is no luck.
    """
    finished = np.isfinite(scores).sum(1)
    seen = finished > 0
    squares, freedom = seed_squares(scores)
    if seen.sum() < 2 or not freedom or squares / freedom < _NO_VARIANCE:
        return None
    means = np.nansum(scores[seen], 1) / finished[seen]
    first = scores[seen][np.arange(seen.sum()), np.isfinite(scores[seen]).argmax(1)]
    fit = _fitted(_Data(means, finished[seen], squares, freedom, given_up, float(np.quantile(first, _CUT))))
    probability = np.full((len(scores), len(fit.grid)), np.nan)
    probability[seen] = fit.posterior(means, finished[seen])
    return Belief(fit.grid, probability)


@dataclass(frozen=True, eq=False)
class _Data:
    """What is known: `means` over so many `seeds`, (rows,) each, and how many were `given_up`, below `cut`.

    `squares` and `freedom` are those of the seeds about their means.
    """

    means: np.ndarray
    seeds: np.ndarray
    squares: float
    freedom: int
    given_up: int
    cut: float


@dataclass(frozen=True, eq=False)
class _Fit:
    """Likely settings of the distribution of true scores, an entry each, and what they say of the rows.

    `density` is (settings, rows): of the row's mean, given the setting.
    """

    centre: np.ndarray
    spread: np.ndarray
    between_seeds: np.ndarray
    share: np.ndarray
    weight: np.ndarray
    density: np.ndarray
    floor: float
    grid: np.ndarray

    def posterior(self, means: np.ndarray, seeds: np.ndarray) -> np.ndarray:
        """Probability of each value of the grid as true score of each row, (rows, points)."""
        width = np.gradient(self.grid)
        # Between two points a narrower distribution would be lost.
        spread = np.maximum(self.spread[:, None], width)
        bulk, bad = _parts(self.grid, self.centre[:, None], spread, self.floor)
        prior = ((1 - self.share[:, None]) * bulk + self.share[:, None] * bad) * width
        found = np.zeros((len(means), len(self.grid)))
        for deviation in np.unique(self.between_seeds):
            chosen = self.between_seeds == deviation
            # The row's own density is in the weight of a setting already, and must not count twice.
            of_row = (self.weight[chosen, None] / self.density[chosen]).T @ prior[chosen]
            error = deviation / np.sqrt(seeds)[:, None]
            found += of_row * normal_density((means[:, None] - self.grid) / error) / error
        total = found.sum(1, keepdims=True)
        # A row far from all others, below them, between two points of the grid: what is believed is what was seen.
        lost = total[:, 0] <= _TINY
        found[lost, np.abs(self.grid - means[lost, None]).argmin(1)] = 1.0
        return found / np.where(total <= _TINY, 1.0, total)


def _fitted(data: _Data) -> _Fit:
    """Fit the distribution of true scores, on a coarse grid of settings first, then on finer ones around the likely."""
    between = math.sqrt(data.squares / data.freedom)
    error = between / math.sqrt(data.seeds.max())
    lowest, highest = float(data.means.min()), float(data.means.max())
    span = max(highest - lowest, error)
    # Those that were given up may lie below all that have a score.
    unseen = span if data.given_up else 0.0
    floor = lowest - max(unseen, 0.1 * span) - 2 * between
    narrowest = math.log(0.1 * error)
    axes = [
        np.linspace(lowest - unseen, highest + error, _SIZES[0]),
        np.linspace(narrowest, math.log(span + unseen), _SIZES[1]),
        math.log(between) + np.linspace(-3, 3, _SIZES[2]) / math.sqrt(2 * data.freedom),
        np.linspace(0, 0.6, _SIZES[3]),
    ]
    bounds = [(floor + error, math.inf), (narrowest, math.inf), (-math.inf, math.inf), (0.0, 0.95)]
    settings, density, weight = _weighed(axes, data, floor)
    for _ in range(_ROUNDS - 1):
        likely = settings[weight > _LIKELY]
        axes = [
            _narrowed(axis, likely[:, place], *bounds[place], size)
            for place, (axis, size) in enumerate(zip(axes, _SIZES, strict=True))
        ]
        settings, density, weight = _weighed(axes, data, floor)
    kept = weight > _NEGLIGIBLE
    top = highest + 2 * between
    fine = np.linspace(max(floor, highest - 10 * error), top, _POINTS)
    grid = np.union1d(np.linspace(floor, top, _POINTS), fine)
    return _Fit(
        centre=settings[kept, 0],
        spread=np.exp(settings[kept, 1]),
        between_seeds=np.exp(settings[kept, 2]),
        share=settings[kept, 3],
        weight=weight[kept] / weight[kept].sum(),
        density=density[kept],
        floor=floor,
        grid=np.unique(np.clip(grid, 0.0, 1.0)),
    )


def _weighed(axes: list[np.ndarray], data: _Data, floor: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Weigh every combination of the values in `axes`: centre, logarithm of spread and of deviation, and share.

    Returns the settings, (settings, 4), the density of each row's mean, (settings, rows), and the weight of each
    setting, (settings,), of which the largest is 1.
    """
    settings = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    centre, spread, deviation = (settings[:, :, :, 0, axis, None] for axis in range(3))
    spread, deviation, share = np.exp(spread), np.exp(deviation), axes[3]
    bulk, bad = _parts(data.means, centre, np.hypot(spread, deviation / np.sqrt(data.seeds)), floor)
    density = (1 - share[:, None]) * bulk[:, :, :, None] + share[:, None] * bad[:, :, :, None]
    density = np.maximum(density, _TINY)
    logarithm = np.log(density).sum(-1)
    if data.given_up:
        bulk, bad = _parts_below(data.cut, centre, np.hypot(spread, deviation), floor)
        logarithm += data.given_up * np.log(np.maximum((1 - share) * bulk + share * bad, _TINY))
    # Before there are scores all spreads are equally likely, and the deviation has no scale.
    logarithm += settings[..., 1] - _SHARE_RATE * settings[..., 3]
    logarithm -= data.freedom * settings[..., 2] + data.squares / 2 * np.exp(-2 * settings[..., 2])
    weight = np.exp(logarithm - logarithm.max())
    return settings.reshape(-1, len(axes)), density.reshape(-1, len(data.means)), weight.ravel()


def _narrowed(axis: np.ndarray, likely: np.ndarray, least: float, most: float, size: int) -> np.ndarray:
    """Place `size` values around those that are likely, within bounds."""
    margin = 0.7 * (axis[1] - axis[0])
    return np.linspace(max(likely.min() - margin, least), min(likely.max() + margin, most), size)


def _parts(
    value: np.ndarray, centre: np.ndarray, spread: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Density of the bulk and of the bad share at `value`."""
    z = (value - centre) / spread
    bad = (normal_below((value - floor) / spread) - normal_below(z)) / (centre - floor)
    return normal_density(z) / spread, bad


def _parts_below(
    value: float, centre: np.ndarray, spread: np.ndarray, floor: float
) -> tuple[np.ndarray, np.ndarray]:
    """Probability that the bulk, and that the bad share, lies below `value`."""
    z, from_floor = (value - centre) / spread, (value - floor) / spread
    bad = spread * (_primitive(from_floor) - _primitive(z)) / (centre - floor)
    return normal_below(z), bad


def _primitive(z: np.ndarray) -> np.ndarray:
    """Integral of the normal distribution function up to `z`."""
    return z * normal_below(z) + normal_density(z)
