"""The learning curves of a simulated study, recorded by a study that ran."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from data.quantities import counted
from data.settings import ConfigError
from sweep.simulation.made_up_curves import generator, point_key, ranked
from sweep.simulation.study_curves import StudyCurves, UnitCurve
from sweep.study.score_table import METRICS


class RecordedStudy:
    """The curves of a study that ran, at full length: what its simulations share.

    A curve that was cut goes on by the mean steps of the finished ones. What a configuration would score over endless
    seeds is its mean, drawn towards the mean of all by as much as its seeds leave open.
    """

    def __init__(self, curves: StudyCurves, seeds: Sequence[int] | None = None) -> None:
        """`seeds` are those of the simulated study; by default those of the recorded one."""
        steps = _mean_steps([unit.metrics for unit in curves.units if unit.finished])
        self.seeds = tuple(seeds or curves.config.seeds)
        self.points: list[Mapping[str, Any]] = []
        self.units: list[dict[int, np.ndarray]] = []
        self.seconds: list[float] = []
        configurations: defaultdict[int, list[UnitCurve]] = defaultdict(list)
        for unit in curves.units:
            configurations[unit.configuration].append(unit)
        for units in configurations.values():
            length = curves.config.space.recipe(units[0].values).epochs
            self.points.append(units[0].values)
            self.units.append({unit.seed: _continued(unit.metrics, length, steps) for unit in units})
            self.seconds.append(float(np.mean(np.concatenate([unit.seconds for unit in units]))))
        self.shifts = _shifts(self.units)
        self.residuals = _residuals(self.units)
        played = [unit for unit in curves.units if unit.seed in self.seeds]
        whole, wanted = sum(unit.finished for unit in played), len(self.points) * len(self.seeds)
        self.note = (
            f"curves of study {curves.name}: {counted(len(self.points), 'configuration')}; "
            f"{counted(whole, 'curve')} as recorded, "
            f"{len(played) - whole} cut ones continued, {wanted - len(played)} missing seeds made from their "
            "configuration's mean and what another one's seed differed by; a true score is drawn towards the mean "
            "of all by as much as the seeds leave open"
        )


class RecordedCurves:
    """Curves of a recorded study; the number `simulation` draws where missing seeds are taken from."""

    epoch_seconds: float | None = None

    def __init__(self, recording: RecordedStudy, simulation: int) -> None:
        self._recording = recording
        self._simulation = simulation
        self._rows = {point_key(values): row for row, values in enumerate(recording.points)}
        self.points: Sequence[Mapping[str, Any]] | None = recording.points
        self.note = recording.note

    def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        row = self._rows[point_key(values)]
        recorded = self._recording.units[row].get(seed)
        return _of_length(self._made(row, seed) if recorded is None else recorded, epochs)

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        row = self._rows[point_key(values)]
        return float(ranked(self._mean(row)[-1:], metric)[0])

    def seconds(self, values: Mapping[str, Any]) -> float:
        return self._recording.seconds[self._rows[point_key(values)]]

    def _made(self, row: int, seed: int) -> np.ndarray:
        every = self._recording.residuals
        residuals = every.get(seed) or [residual for of_seed in every.values() for residual in of_seed]
        if not residuals:
            raise ConfigError(
                f"seed {seed}: no configuration of the recorded study has two finished seeds, so how seeds differ is "
                f"not known; simulate it with `seeds: {list(self._recording.seeds[:1])}`"
            )
        mean = self._mean(row)
        pick = generator("donor", self._simulation, row, seed).integers(len(residuals))
        return np.clip(mean + _of_length(residuals[pick], len(mean)), 0.0, 1.0)

    def _mean(self, row: int) -> np.ndarray:
        return np.mean(list(self._recording.units[row].values()), axis=0) + self._recording.shifts[row]


def _mean_steps(finished: Sequence[np.ndarray]) -> np.ndarray:
    """Mean step from each epoch to the next over the curves that reach it, (longest curve - 1, METRICS)."""
    longest = max(map(len, finished))
    padded = np.full((len(finished), longest, len(METRICS)), np.nan)
    for row, curve in zip(padded, finished, strict=True):
        row[: len(curve)] = curve
    return np.nanmean(np.diff(padded, axis=1), axis=0)


def _continued(curve: np.ndarray, epochs: int, steps: np.ndarray) -> np.ndarray:
    """Continue a curve to its full length; beyond the longest finished curve it stays level."""
    further = curve[-1] + np.cumsum(steps[len(curve) - 1 :], axis=0)
    return _of_length(np.clip(np.concatenate([curve, further]), 0.0, 1.0), epochs)


def _of_length(curve: np.ndarray, epochs: int) -> np.ndarray:
    """Bring a curve to a length: cut, or continued level."""
    return curve[np.minimum(np.arange(epochs), len(curve) - 1)]


def _shifts(units: Sequence[Mapping[int, np.ndarray]]) -> np.ndarray:
    """Compute each configuration's mean minus the score that it is believed to have, (configurations,).

    A normal prior with the moments of the recorded scores: without it, what was lucky with its one seed would pass for
    good in every simulation.
    """
    scores = [np.array([curve[-1, METRICS.index("score")] for curve in curves.values()]) for curves in units]
    means = np.array([of_one.mean() for of_one in scores])
    freedom = sum(len(of_one) - 1 for of_one in scores)
    if not freedom:
        return np.zeros(len(means))
    squares = sum(((of_one - of_one.mean()) ** 2).sum() for of_one in scores)
    noise = squares / freedom / np.array([len(of_one) for of_one in scores])
    spread = max(0.0, means.var(ddof=1) - noise.mean()) if len(means) > 1 else 0.0
    weight = spread / (spread + noise) if spread else np.zeros(len(means))
    return (1 - weight) * (means.mean() - means)


def _residuals(units: Sequence[Mapping[int, np.ndarray]]) -> dict[int, list[np.ndarray]]:
    """By seed, the differences of curves from the mean of their configuration."""
    residuals: dict[int, list[np.ndarray]] = {}
    for curves in units:
        seeds = len(curves)
        if seeds > 1:
            mean = np.mean(list(curves.values()), axis=0)
            for seed, curve in curves.items():
                # The mean of few follows each of them, which makes differences from it too small.
                residuals.setdefault(seed, []).append((curve - mean) * math.sqrt(seeds / (seeds - 1)))
    return residuals
