"""The learning curves of a study that ran, as a board or a file of curves holds them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.score_table import METRICS
from sweep.study.units import Fate, State, Unit

METRIC_DIGITS, SECONDS_DIGITS = 6, 3
"""Decimals to which metrics (fractions) and seconds are kept."""


@dataclass(frozen=True)
class UnitCurve:
    """What one unit reported at each of its epochs.

    `metrics`: (epochs, METRICS), fractions, NaN where a metric was not reported. `seconds`: (epochs,), for which the
    unit held its device; those of the first epoch hold the start-up, too, and epochs that were trained again.
    `finished`: whether the unit was trained to its end.
    """

    configuration: int
    values: Mapping[str, Any]
    seed: int
    finished: bool
    metrics: np.ndarray
    seconds: np.ndarray


@dataclass(frozen=True)
class StudyCurves:
    """All curves of a study, by configuration and in the order of its seeds; configurations that failed are left out.

    Raises ConfigError when no unit has finished.
    """

    name: str
    config: StudyConfig
    units: tuple[UnitCurve, ...]

    def __post_init__(self) -> None:
        if not any(unit.finished for unit in self.units):
            raise ConfigError(
                f"study {self.name}: no unit has finished, so it has no learning curves to play; take those of another "
                "study, or made-up ones"
            )

    @property
    def configurations(self) -> int:
        """Number of configurations that have curves."""
        return len({unit.configuration for unit in self.units})


def study_curves(folder: StudyFolder) -> StudyCurves:
    """Read the curves of the study in a folder. Raises ConfigError when no unit has finished."""
    return curves_of_board(folder.board(), folder.config(), folder.name)


def curves_of_board(board: Board, config: StudyConfig, name: str) -> StudyCurves:
    """Collect the curves of a board, with numbers as a file of curves holds them (`METRIC_DIGITS`).

    Raises ConfigError when no unit has finished.
    """
    units = [
        UnitCurve(
            configuration.number,
            configuration.values,
            seed,
            configuration.units[seed].state is State.FINISHED,
            _metrics(configuration.units[seed]),
            _seconds(configuration.units[seed]),
        )
        for configuration in board.configurations
        if board.fate(configuration.number) is not Fate.FAILED
        for seed in board.seeds
        if seed in configuration.units and configuration.units[seed].curve
    ]
    return StudyCurves(name, config.model_copy(update={"seeds": board.seeds}), tuple(units))


def _metrics(unit: Unit) -> np.ndarray:
    reported = [[report.get(name, math.nan) for name in METRICS] for report in unit.curve]
    return np.round(np.array(reported, dtype=np.float64), METRIC_DIGITS)


def _seconds(unit: Unit) -> np.ndarray:
    """Share the seconds that a unit held its device among its epochs."""
    seconds = np.array([report.get("seconds", 0.0) for report in unit.curve], dtype=np.float64)
    held = sum(attempt.heard - attempt.started for attempt in unit.attempts)
    seconds[0] += max(0.0, held - seconds.sum())
    return np.round(seconds, SECONDS_DIGITS)
