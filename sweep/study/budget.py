"""What a study may still spend: a pure function of its limits, its board and the time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import Field, model_validator

from data.settings import Config
from sweep.study.board import Board
from sweep.study.racing import ALWAYS_FINISHED, NoRacingConfig, RacingConfig
from sweep.study.units import State

RACE_SHARE = 1 / 3
"""Part of a budget of units or hours that is kept for further seeds."""


class UntilConfig(Config):
    """When to propose nothing new: the best first-seed score did not rise for a while."""

    no_improvement_of: float = Field(
        default=0.0, ge=0, lt=1, description="a rise that counts, as a fraction of 1: 0.002 is 0.2 points"
    )
    for_configurations: int = Field(ge=1, description="so many configurations without such a rise")


class BudgetConfig(Config):
    """What a study may spend, over all its drivers together; the first limit reached ends it.

    With `units`, `gpu_hours` or `wall_clock` a part is kept back for the race over the seeds (`sweep.study.budget`).
    """

    configurations: int | None = Field(
        default=None, ge=1, description="points of the search space; 20 when nothing else bounds the study"
    )
    units: int | None = Field(default=None, ge=1, description="configurations times seeds started")
    gpu_hours: float | None = Field(
        default=None, gt=0, description="time for which units hold a GPU, times the share that they hold"
    )
    wall_clock: float | None = Field(default=None, gt=0, description="hours in which the study runs")
    until: UntilConfig | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_a_bound(cls, content: Any) -> Any:
        if isinstance(content, dict) and all(content.get(name) is None for name in cls.model_fields):
            return {**content, "configurations": 20}
        return content


@dataclass(frozen=True)
class Use:
    """How much of one limit is used."""

    limit: str
    used: float
    allowed: float

    def __str__(self) -> str:
        return f"{self.limit} {self.used:.4g} of {self.allowed:g}"


class Budget:
    """Holds a study to its limits.

    Limits are hard: a unit starts only when a unit as long as those before it fits, and what still runs at a limit
    is stopped there. A new configuration starts only when the race over the seeds can be paid for as well.
    """

    def __init__(self, config: BudgetConfig, racing: RacingConfig, *, gpus: float, slots: int) -> None:
        """`gpus` are held by one unit; `slots` is the number of units at a time, which may change.

        Without a race every configuration gets all seeds, and `all_seeds` is true.
        """
        self._config = config
        self.all_seeds = isinstance(racing, NoRacingConfig)
        self._gpus = gpus
        self.slots = slots
        self._asked: tuple[Board, int, float, int] | None = None
        self._answer = math.inf

    def uses(self, board: Board, now: float) -> list[Use]:
        """Say of each limit that is set how much of it is used."""
        config = self._config
        limits = {
            "configurations": (len(board.configurations), config.configurations),
            "units": (board.started, config.units),
            "gpu_hours": (self._gpu_hours(board, now), config.gpu_hours),
            "wall_clock": (board.wall_seconds(now) / 3600, config.wall_clock),
        }
        return [Use(name, used, allowed) for name, (used, allowed) in limits.items() if allowed is not None]

    def spent(self, board: Board, now: float) -> str | None:
        """Say why everything must stop now; None while no limit is reached."""
        for use in self.uses(board, now):
            if use.limit in ("gpu_hours", "wall_clock") and use.used >= use.allowed:
                return f"budget spent: {use}"
        return None

    def allows_seed(self, board: Board, now: float, number: int) -> bool:
        """Whether a further seed of a configuration fits, and leaves what finalists need.

        A seed of a configuration that leads at present must leave the units that the three nearest to their end lack;
        a seed of any other configuration must leave the most units that the leaders may come to lack.
        """
        room = self._room(board, now) - 1
        if room == math.inf:
            return True
        missing = len(board.seeds) - board.scores.started[board.scores.open]
        own = len(board.seeds) - int(board.scores.started[number])
        least = np.sort(missing)[:ALWAYS_FINISHED]
        # The seed asked about is one of the units that the nearest three lack, if this row is among them.
        needed = max(0, int(least.sum()) - int(own <= least[-1]))
        if number in board.scores.leaders(ALWAYS_FINISHED):
            return room >= needed
        return room >= max(needed, self._to_finish(board, own - 1))

    def allows_all_seeds(self, board: Board, now: float, number: int) -> bool:
        """Whether all units that a configuration lacks fit."""
        return self._room(board, now) >= len(board.seeds) - int(board.scores.started[number])

    def allows_configuration(self, board: Board, now: float, *, race: bool = True) -> bool:
        """Whether one more configuration fits, with what the finalists lack and, if `race`, the share of the race."""
        config = self._config
        if config.configurations is not None and len(board.configurations) >= config.configurations:
            return False
        if self._stale(board):
            return False
        room = self._room(board, now)
        return room == math.inf or room >= 1 + self._kept_back(board, room, race)

    def _gpu_hours(self, board: Board, now: float) -> float:
        return board.gpu_seconds(now) / 3600

    def _room(self, board: Board, now: float) -> float:
        """Count how many more units fit, each as long as a mean finished unit."""
        # Asked about each of a thousand configurations at one moment, the room is counted once.
        asked = board, board.decisions, now, self.slots
        if asked != self._asked:
            self._asked, self._answer = asked, self._count_room(board, now)
        return self._answer

    def _count_room(self, board: Board, now: float) -> float:
        config = self._config
        room = math.inf if config.units is None else float(config.units - board.started)
        if config.gpu_hours is None and config.wall_clock is None:
            return room
        if self.spent(board, now):
            return 0.0
        finished = board.ended[State.FINISHED]
        if not finished:
            return room
        each = board.device_seconds[State.FINISHED] / finished
        promised = sum(max(0.0, each - unit.seconds(now)) for unit in board.running.values())
        if config.gpu_hours is not None:
            left = 3600 * config.gpu_hours - board.gpu_seconds(now)
            room = min(room, (left / self._gpus - promised) / each)
        if config.wall_clock is not None:
            left = 3600 * config.wall_clock - board.wall_seconds(now)
            room = min(room, (self.slots * left - promised) / each if left >= each else 0.0)
        return room

    def _kept_back(self, board: Board, room: float, race: bool) -> float:
        """Count the units that the configurations on the board, and one more, are still to get."""
        seeds = len(board.seeds)
        missing = seeds - board.scores.started[board.scores.open]
        if self.all_seeds:
            return float(missing.sum() + seeds - 1)
        further = board.started - len(board.configurations)
        # The race's share is one of the whole budget, used and left, less what further seeds have had of it. It never
        # falls below what finalists lack: a study that cannot finish three configurations has no winner.
        share = RACE_SHARE * (board.started + room) - further if race else 0.0
        return max(self._to_finish(board, seeds - 1), share)

    def _to_finish(self, board: Board, missing: int) -> float:
        """Count the most units that finalists may lack if one that lacks `missing`, or has no score, comes to lead."""
        scores = board.scores
        lacking = len(board.seeds) - scores.started
        leaders = scores.leaders(ALWAYS_FINISHED)
        unscored = np.isnan(scores.metric("score")).all(axis=1) & scores.open
        return float(np.sort([*lacking[leaders], *lacking[unscored], missing])[-ALWAYS_FINISHED:].sum())

    def _stale(self, board: Board) -> bool:
        """Whether the best first score has not risen for as many configurations as `until` says."""
        until = self._config.until
        if until is None or not board.seeds:
            return False
        first = board.scores.metric("score")[:, 0]
        scores = first[~np.isnan(first) | ~board.scores.open]
        if len(scores) <= until.for_configurations:
            return False
        scores = np.where(np.isnan(scores), -np.inf, scores)
        recent, before = scores[-until.for_configurations :], scores[: -until.for_configurations]
        return bool(recent.max() <= before.max() + until.no_improvement_of)
