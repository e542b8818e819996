"""An Optuna pruner that forecasts from a curve so far where it ends, and learns how well from the curves that ended."""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState
from scipy.special import stdtrit

# The deviation of a forecast that is believed before there are any, as a fraction, and how many degrees of freedom that
# is worth: five networks that learned nothing must not make the forecast for a sixth a certainty.
_DEVIATION, _BELIEF = 0.01, 1

# The least number of trials to which one slope can be fitted with something left to judge it by.
_FEWEST = 4


class ForecastPruner(BasePruner):
    """Stops a trial that will hardly be among the best `share` of all, by a regression on the trials that ended.

    At step e the last value of each complete trial is regressed on three features of its first e values: the value at e,
    and its gain over the last third and the last two thirds of the e steps. The trial is stopped when its forecast
    reaches the value of the trial at place max(`at_least`, `share` times the trials that ended) with a probability below
    `p`, by Student's t. Where early values say little of the last ones, as where slow learners end better, forecasts are
    wide and nothing is stopped: how long to wait is learned, and no warm-up is set. The complete trials are not a random
    sample, as the others were stopped by these same features; a regression on them is not biased by that.

    A trial reports fractions, to be maximised, at the steps 1 to `epochs`; complete trials of other lengths count in the
    places alone. One pruner is for one study. Raises ValueError for arguments out of range.
    """

    def __init__(self, epochs: int, *, p: float = 0.01, share: float = 0.15, at_least: int = 5) -> None:
        if not 0 < p < 0.5:
            raise ValueError(f"p must lie between 0 and 0.5, got {p}")
        if not 0 < share <= 1:
            raise ValueError(f"share must lie above 0 and be at most 1, got {share}")
        if at_least < 1:
            raise ValueError(f"at_least must be 1 or more, got {at_least}")
        self._epochs, self._p, self._share, self._at_least = epochs, p, share, at_least
        self._ended = 0
        self._curves: dict[int, tuple[np.ndarray, float]] = {}
        self._needed, self._place = -math.inf, at_least
        self._forecasts: dict[int, _Forecast] = {}

    def prune(self, study: Study, trial: FrozenTrial) -> bool:
        epoch, curve = trial.last_step, _curve(trial)
        if epoch is None or curve is None:
            return False
        ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))
        if len(ended) > self._ended:
            self._hear(ended)
        if self._needed == -math.inf or len(self._curves) < _FEWEST:
            return False
        if epoch not in self._forecasts:
            # In one order, so that a study taken up again computes the same to the last bit.
            curves, last = zip(*(self._curves[number] for number in sorted(self._curves)), strict=True)
            self._forecasts[epoch] = _Forecast.of(np.stack(curves)[:, :epoch], np.array(last))
        return self._forecasts[epoch].highest(curve, self._p) < self._needed

    def held_against(self, trial: FrozenTrial) -> str:
        """Say of a trial that was just stopped where it was forecast to end, and where it would have had to."""
        curve = _curve(trial)
        assert curve is not None
        highest = self._forecasts[len(curve)].highest(curve, self._p)
        return (
            f"forecast to end above {100 * highest:.1f} % with a probability of {self._p:g}, against "
            f"{100 * self._needed:.1f} %, place {self._place} of {self._ended} that ended"
        )

    def _hear(self, ended: list[FrozenTrial]) -> None:
        """Take in the value that is needed, and the curves of whole length among the complete trials."""
        self._ended = len(ended)
        # Optuna gives a stopped trial its last value.
        complete = {
            one.number: (one, one.value)
            for one in ended
            if one.state is TrialState.COMPLETE and one.value is not None
        }
        values = sorted(value for _, value in complete.values())
        self._place = place = max(self._at_least, round(self._share * len(ended)))
        self._needed = values[-place] if place <= len(values) else -math.inf
        for number in complete.keys() - self._curves.keys():
            trial, value = complete[number]
            curve = _curve(trial)
            if curve is not None and len(curve) == self._epochs:
                self._curves[number] = curve, value
                self._forecasts.clear()


class _Forecast(NamedTuple):
    """A ridge regression of the last value minus the present one on the features of curves of one length."""

    centre: np.ndarray  # of the features
    gain: float  # mean of the last value minus the present one
    slopes: np.ndarray
    spread: np.ndarray  # inverse of the features' squares
    trials: int
    freedom: int
    variance: float

    @classmethod
    def of(cls, curves: np.ndarray, last: np.ndarray) -> _Forecast:
        """Fit it to `curves` (trials, steps so far) of at least four trials that ended at `last` (trials,)."""
        count = len(curves)
        # Of few trials not every feature's slope can be learned.
        features = _features(curves)[:, : (count - 2) // 2]
        centre, gains = features.mean(0), last - curves[:, -1]
        centred, gain = features - centre, float(gains.mean())
        squares = centred.T @ centred
        # As if one more trial were a deviation away in each feature, without any gain from it.
        squares[np.diag_indices_from(squares)] += centred.var(0) + 1e-12
        spread = np.linalg.inv(squares)
        slopes = spread @ (centred.T @ (gains - gain))
        missed = gains - gain - centred @ slopes
        freedom = _BELIEF + count - 1 - features.shape[1]
        variance = (_BELIEF * _DEVIATION**2 + float(missed @ missed)) / freedom
        return cls(centre, gain, slopes, spread, count, freedom, variance)

    def highest(self, curve: np.ndarray, p: float) -> float:
        """Return what a trial with the values `curve` (steps so far,) ends above with probability `p`."""
        away = _features(curve)[: len(self.centre)] - self.centre
        expected = curve[-1] + self.gain + float(away @ self.slopes)
        variance = self.variance * (1 + 1 / self.trials + float(away @ self.spread @ away))
        return expected + _quantile(self.freedom, 1 - p) * math.sqrt(variance)


def _features(curves: np.ndarray) -> np.ndarray:
    """The present value, and its gains over a third and two thirds of the steps: (..., steps) -> (..., 1 to 3)."""
    steps = curves.shape[-1]
    now = curves[..., -1]
    gains = [now - curves[..., max(0, steps - 1 - max(1, many * steps // 3))] for many in (1, 2)]
    # Of a short curve the features would be one and the same.
    return np.stack([now, *gains[: min(2, steps // 2)]], -1)


def _curve(trial: FrozenTrial) -> np.ndarray | None:
    """A trial's values at the steps from 1 on; None when a step is missing."""
    steps = trial.intermediate_values
    values = [steps.get(step) for step in range(1, len(steps) + 1)]
    return None if None in values else np.array(values)


@cache
def _quantile(freedom: int, probability: float) -> float:
    return float(stdtrit(freedom, probability))
