"""What a study may spend, and what it has spent: a pure function of its limits, its board and the time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self

import numpy as np
from pydantic import Field, model_validator

from data.settings import Config
from sweep.study.board import Board
from sweep.study.plan import Durations, Plan, Room, durations_of
from sweep.study.racing import NoRacingConfig, RacingConfig


class UntilConfig(Config):
    """When to propose nothing new: the best first-seed score did not rise for a while."""

    no_improvement_of: float = Field(
        default=0.0, ge=0, lt=1, description="a rise that counts, as a fraction of 1: 0.002 is 0.2 points"
    )
    for_configurations: int = Field(
        ge=1, le=1_000_000, description="so many configurations without such a rise"
    )


class BudgetConfig(Config):
    """What a study may spend, over all its drivers together; the first limit reached ends it.

    With `units`, `gpu_hours` or `wall_clock` a part is kept back for the race over the seeds (`sweep.study.budget`).
    """

    configurations: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="points of the search space; when nothing else bounds the study 20, or all of a grid",
    )
    units: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="configurations times seeds started"
    )
    gpu_hours: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="time for which units hold a GPU, times the share that they hold",
    )
    wall_clock: float | None = Field(default=None, gt=0, le=1e6, description="hours in which the study runs")
    until: UntilConfig | None = Field(default=None, description="when to propose nothing new; null: never")

    @model_validator(mode="before")
    @classmethod
    def _has_a_bound(cls, content: Any) -> Any:
        return {**content, "configurations": 20} if cls.is_unbounded(content) else content

    @classmethod
    def is_unbounded(cls, content: Any) -> bool:
        """Whether settings of a budget, as a file holds them, set no limit."""
        return isinstance(content, dict) and all(content.get(name) is None for name in cls.model_fields)

    @classmethod
    def endless(cls) -> Self:
        """A budget without any limit, for a sampler that comes to an end by itself."""
        return cls.model_construct()


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

    Limits are hard: a unit starts only when it is expected to end within them, and what still runs at a limit is stopped
    there. What is left is planned (`sweep.study.plan`), so that it ends with configurations that have all their seeds.
    """

    def __init__(
        self,
        config: BudgetConfig,
        racing: RacingConfig,
        *,
        gpus: float,
        slots: int,
        epochs: Callable[[Mapping[str, Any]], int],
    ) -> None:
        """`gpus` are held by one unit; `slots` is the number of units at a time, which may change.

        `epochs`: the number of epochs of a point of the search space. Without a race every configuration gets all seeds,
        and `all_seeds` is true.
        """
        self._config = config
        self.all_seeds = isinstance(racing, NoRacingConfig)
        self._gpus = gpus
        self.slots = slots
        self._epochs_at = epochs
        self._epochs: dict[int, int] = {}

    def uses(self, board: Board, now: float) -> list[Use]:
        """Say of each limit that is set how much of it is used."""
        config = self._config
        limits = {
            "configurations": (len(board.configurations), config.configurations),
            "units": (board.started, config.units),
            "gpu_hours": (board.gpu_seconds(now) / 3600, config.gpu_hours),
            "wall_clock": (board.wall_seconds(now) / 3600, config.wall_clock),
        }
        return [Use(name, used, allowed) for name, (used, allowed) in limits.items() if allowed is not None]

    def spent(self, board: Board, now: float) -> str | None:
        """Say why everything must stop now; None while no limit is reached."""
        for use in self.uses(board, now):
            if use.limit in ("gpu_hours", "wall_clock") and use.used >= use.allowed:
                return f"budget spent: {use}"
        return None

    def raised(self, board: Board, now: float) -> str | None:
        """Write the setting that lets a study that ended go on, `budget.configurations=16`; None where none does.

        It is twice the limit that was reached. Where a part of units or hours is left over that nothing fits in, it is
        the one of these that is used most.
        """
        uses = self.uses(board, now)
        others = [use for use in uses if use.limit != "configurations"]
        if board.stopped == "over":
            reached = [use for use in uses if use.used >= use.allowed]
            if not reached and self._stale(board):
                return "budget.until=null"
        else:
            # Seeds are to come, for which the number of configurations leaves room.
            reached = []
        reached = reached or others
        if not reached:
            return None
        most = max(reached, key=lambda use: use.used / use.allowed)
        return f"budget.{most.limit}={2 * most.allowed:.12g}"

    def proposes(self, board: Board) -> bool:
        """Whether the number of configurations, and their scores, allow one more to be proposed."""
        most = self._config.configurations
        return (most is None or len(board.configurations) < most) and not self._stale(board)

    def plan(self, board: Board, now: float) -> Plan:
        """Plan what is left: which configurations will be finished, and what fits beside them."""
        config = self._config
        units = math.inf if config.units is None else float(config.units - board.started)
        if config.gpu_hours is None and config.wall_clock is None:
            durations = Durations.alike(len(board.configurations))
            return Plan(board, Room(units), durations, all_seeds=self.all_seeds)
        device_seconds = seconds = math.inf
        if config.gpu_hours is not None:
            device_seconds = (3600 * config.gpu_hours - board.gpu_seconds(now)) / self._gpus
        if config.wall_clock is not None:
            seconds = 3600 * config.wall_clock - board.wall_seconds(now)
        # Where hours on devices are limited, waiting for news costs nothing.
        careful = config.gpu_hours is not None
        durations = durations_of(board, now, partial(self._epochs_of, board), careful=careful)
        room = Room.beside(
            durations, units=units, device_seconds=device_seconds, seconds=seconds, slots=self.slots
        )
        return Plan(board, room, durations, all_seeds=self.all_seeds)

    def _epochs_of(self, board: Board, number: int) -> int:
        """Number of epochs of a configuration, looked up once."""
        if number not in self._epochs:
            self._epochs[number] = self._epochs_at(board.configurations[number].values)
        return self._epochs[number]

    def _stale(self, board: Board) -> bool:
        """Whether the best first score has not risen for as many configurations as `until` says."""
        until = self._config.until
        if until is None or not board.seeds:
            return False
        first = board.scores.ranked[:, 0]
        scores = first[~np.isnan(first) | ~board.scores.open]
        if len(scores) <= until.for_configurations:
            return False
        scores = np.where(np.isnan(scores), -np.inf, scores)
        recent, before = scores[-until.for_configurations :], scores[: -until.for_configurations]
        return bool(recent.max() <= before.max() + until.no_improvement_of)
