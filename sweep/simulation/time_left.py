"""How long a study will still take: its rest is played by the real pruner, race and budget, on curves as so far."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from data.settings import ConfigError
from sweep.config.study_config import ENUMERATED, StudyConfig
from sweep.config.study_parts import SamplerConfig
from sweep.simulation.made_up_curves import WorldConfig, generator, point_key
from sweep.simulation.recorded_curves import RecordedStudy
from sweep.simulation.simulated_study import play_on
from sweep.simulation.study_curves import curves_of_board
from sweep.study.board import Board
from sweep.study.events import Event

REPEATS = 5
SEED_SD = WorldConfig().seed_sd
"""Deviation between seeds while no configuration has two."""


@dataclass(frozen=True)
class TimeLeft:
    """Seconds from the last event to the end of a study: the median over plays of its rest, and the ends of these."""

    seconds: float
    low: float
    high: float


def time_left(
    config: StudyConfig, events: Sequence[Event], workers: int, *, repeats: int = REPEATS
) -> TimeLeft | None:
    """Foretell how long a study will still take, given what has happened in it so far; the same events, the same answer.

    Its rest is played `repeats` times on `workers` units at a time. Units that are under way go on by the mean steps of
    the finished ones; a point that is new gets the curve of one that was tried, drawn by chance, and so does its time; a
    seed that is new differs as other seeds did. None before a unit has finished, and for a study that is over.
    """
    board = Board(events=events)
    if not events or board.stopped is not None:
        return None
    try:
        recording = RecordedStudy(curves_of_board(board, config, "so far"), board.seeds)
    except ConfigError:
        return None
    found = [_rest(config, events, recording, workers, repeat) for repeat in range(repeats)]
    return TimeLeft(median(found), min(found), max(found))


def workers_of(board: Board) -> int:
    """Count how many units ran at a time at most since the present driver took the study up; at least 1."""
    begun = board.drivers[-1].started if board.drivers else 0.0
    spans = [attempt for unit in board.units() for attempt in unit.attempts if attempt.started >= begun]
    # An end before a start at the same moment: one worker took both units.
    moments = sorted(
        [(span.started, 1) for span in spans]
        + [(span.ended, -1) for span in spans if span.ended is not None],
    )
    return max(1, int(np.cumsum([change for _, change in moments]).max(initial=0)))


def _rest(
    config: StudyConfig, events: Sequence[Event], recording: RecordedStudy, workers: int, repeat: int
) -> float:
    """Play the rest of a study once; returns how long it took."""
    if config.sampler.name not in ENUMERATED:
        # Which points come does not matter to curves that are drawn by chance, and this sampler asks for little.
        config = config.model_copy(update={"sampler": SamplerConfig(name="random", seed=repeat)})
    played = play_on(config, _CurvesSoFar(recording, repeat), workers, events)
    return played.events[-1].at - events[-1].at


class _CurvesSoFar:
    """Curves of the points that were tried; every other point is taken for one of them, drawn by chance."""

    points: Sequence[Mapping[str, Any]] | None = None
    note = "curves so far"
    epoch_seconds: float | None = None

    def __init__(self, recording: RecordedStudy, simulation: int) -> None:
        self._recording = recording
        self._simulation = simulation
        self._rows = {point_key(values): row for row, values in enumerate(recording.points)}
        self._known = set(self._rows)
        self._residuals = [one for of_seed in recording.residuals.values() for one in of_seed]

    def curve(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray:
        row = self._row(values)
        units = self._recording.units[row]
        if point_key(values) in self._known and seed in units:
            curve = units[seed]
        else:
            mean = np.mean(list(units.values()), axis=0) + self._recording.shifts[row]
            curve = np.clip(mean + self._difference(values, seed, len(mean)), 0.0, 1.0)
        return curve[np.minimum(np.arange(epochs), len(curve) - 1)]

    def quality(self, values: Mapping[str, Any], metric: str = "score") -> float:
        raise NotImplementedError("nobody asks for the truth of what is still to come")

    def seconds(self, values: Mapping[str, Any]) -> float:
        return self._recording.seconds[self._row(values)]

    def _row(self, values: Mapping[str, Any]) -> int:
        key = point_key(values)
        if key not in self._rows:
            random = generator("point", self._simulation, key)
            self._rows[key] = int(random.integers(len(self._recording.units)))
        return self._rows[key]

    def _difference(self, values: Mapping[str, Any], seed: int, epochs: int) -> np.ndarray | float:
        """Draw how a seed differs from the mean of its configuration: as another seed did, where two are known."""
        random = generator("seed", self._simulation, point_key(values), seed)
        # A seed that is lucky is so for several configurations, which the race pairs by seed.
        residuals = self._recording.residuals.get(seed) or self._residuals
        if not residuals:
            return SEED_SD * random.standard_normal()
        residual = residuals[random.integers(len(residuals))]
        return residual[np.minimum(np.arange(epochs), len(residual) - 1)]
