"""Studies that a test plays by hand: a coordinator whose search is a plain list and whose pruner is a bar."""

from collections.abc import Callable
from typing import Any

import pytest

from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.events import ConfigurationAdded, Event
from sweep.study.racing import NoRacingConfig, RacingConfig
from sweep.study.units import Configuration, State
from tests.sweep import histories


class World:
    """A study and all that it stands on; `past` is what earlier drivers recorded."""

    def __init__(
        self,
        *,
        seeds: tuple[int, ...] = (1, 2),
        budget: dict[str, Any] | None = None,
        racing: RacingConfig | None = None,
        bar: float = 0.0,
        betas: int = 99,
        past: list[Event] | None = None,
        last_sign: float | None = None,
        slots: int = 1,
        clock: Callable[[], float] | None = None,
        **rules: Any,
    ) -> None:
        """Take the study's settings; without `clock` the time stands still until a test sets `self.clock.now`."""
        self.search, self.pruner, self.clock = ListedSearch(betas), Bar(bar), Clock()
        self.heard: list[Event] = list(past or [])
        racing = racing or NoRacingConfig()
        self.board = Board(events=self.heard)
        limits = Budget(
            BudgetConfig.model_validate(budget or {}), racing, gpus=1, slots=slots, epochs=lambda values: 1
        )
        self.coordinator = Coordinator(
            self.board,
            self.search,
            self.pruner,
            limits,
            Rules(racing=racing, gpus=1.0, **rules),
            [self.heard.append],
            clock or self.clock,
        )
        self.coordinator.start(seeds, last_sign=last_sign)

    def start(self) -> tuple[int, int] | None:
        """Start the next unit; returns its configuration and seed, or None when nothing may start."""
        started = self.coordinator.next_unit()
        return None if started is None else (started[0].number, started[1])

    def train(self, number: int, seed: int, *scores: float) -> None:
        """Report an epoch with each score, and end the unit; its last epoch stands for it."""
        for place, score in enumerate(scores, 1):
            assert not self.coordinator.report(number, seed, histories.epoch(place, score))
        self.coordinator.finished(number, seed, len(scores))

    def play(self, scores: dict[int, list[float]], most: int = 99) -> list[tuple[int, int]]:
        """Run units one after the other, each with its score and for an hour; returns them in order."""
        units = []
        while len(units) < most and (unit := self.start()) is not None:
            self.clock.now += 3600
            number, seed = unit
            self.train(number, seed, scores[number][self.board.seeds.index(seed)])
            units.append(unit)
        return units


class ListedSearch:
    """Proposes 1, 2, 3 and so on for `patch_mix.beta`, `betas` points in all, and notes what it is told."""

    skipped = None

    def __init__(self, betas: int) -> None:
        self._betas = betas
        self._next = 0
        self.told: list[tuple[Any, ...]] = []

    def propose(self) -> ConfigurationAdded | None:
        if self._next == self._betas:
            return None
        self._next += 1
        return ConfigurationAdded(self._next - 1, {"patch_mix.beta": float(self._next)})

    def learn(self, configuration: Configuration) -> None:
        ended, summary = configuration.units_in(State.FAILED, State.PRUNED), configuration.summary()
        if ended:
            self.told.append((str(ended[0].state), configuration.number))
        elif summary is not None:
            self.told.append(("learnt", configuration.number, pytest.approx(summary.mean)))

    def restore(self, board: Board) -> None:
        self._next = len(board.configurations)


class Bar:
    """Prunes a score below `height`, and notes which first seeds have ended."""

    def __init__(self, height: float) -> None:
        self._height = height
        self.ended: list[int] = []

    def report(self, configuration: Configuration, epoch: int, score: float) -> bool:
        return score < self._height

    def held_against(self, configuration: Configuration) -> str:
        return f"against {100 * self._height:.1f} %, the bar"

    def end(self, configuration: Configuration) -> None:
        first = next(iter(configuration.units.values()))
        if first.over and configuration.number not in self.ended:
            self.ended.append(configuration.number)

    def restore(self, board: Board) -> None:
        pass


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now
