"""A running study: the one place where units are handed out, reports heard, and decisions taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from sweep.board import (
    Board,
    Configuration,
    ConfigurationAdded,
    EpochReported,
    Event,
    State,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)

Listener = Callable[[Event], None]


class Search(Protocol):
    """What a study asks of the search (`sweep.search_optuna.OptunaSearch`)."""

    def propose(self) -> dict[str, Any] | None: ...
    def report(self, configuration: int, epoch: int, score: float) -> bool: ...
    def tell_complete(self, configuration: int, mean_score: float) -> None: ...
    def tell_pruned(self, configuration: int) -> None: ...
    def tell_failed(self, configuration: int) -> None: ...


class Study:
    """The board, and the rules by which it grows.

    A configuration starts with its first seed; the pruner watches that seed's validation curve. One that
    survives gets the other seeds before a new configuration is proposed. Every change is an event, heard by
    all `listeners` in order, after the board. It runs in the driver alone, in one thread.
    """

    def __init__(
        self, board: Board, search: Search, configurations: int, listeners: Sequence[Listener] = ()
    ) -> None:
        self.board = board
        self._search = search
        self._budget = configurations
        self._listeners = listeners
        self._exhausted = False

    def next_unit(self) -> tuple[Configuration, int] | None:
        """Start the next unit: its configuration and seed. None when nothing may start now, see `over`."""
        waiting = self.board.waiting_unit()
        if waiting is None:
            if len(self.board.configurations) >= self._budget or self._exhausted:
                return None
            values = self._search.propose()
            if values is None:
                self._exhausted = True
                return None
            number = len(self.board.configurations)
            self._record(ConfigurationAdded(number, values))
            waiting = number, self.board.seeds[0]
        self._record(UnitStarted(*waiting))
        number, seed = waiting
        return self.board.configurations[number], seed

    @property
    def over(self) -> bool:
        """Nothing runs, and nothing is left to start."""
        board = self.board
        return (
            (self._exhausted or len(board.configurations) >= self._budget)
            and board.waiting_unit() is None
            and not any(unit.state is State.RUNNING for unit in board.units())
        )

    def report(self, number: int, seed: int, report: Mapping[str, Any]) -> bool:
        """Take note of an epoch; True when the unit is to stop. An epoch heard before changes nothing."""
        unit = self.board.unit(number, seed)
        if unit.state is not State.RUNNING:
            return True
        if report["epoch"] != len(unit.curve) + 1:
            return False
        self._record(EpochReported(number, seed, report))
        if seed != self.board.seeds[0] or not self._search.report(number, report["epoch"], report["score"]):
            return False
        best = max(past["score"] for past in unit.curve)
        reason = f"pruned at epoch {report['epoch']}: score {report['score']:.3f}, its best {best:.3f}"
        self._record(UnitPruned(number, seed, reason))
        self._search.tell_pruned(number)
        return True

    def finished(self, number: int, seed: int, epoch: int) -> None:
        """The unit trained to its end, and `epoch` stands for it."""
        self._record(UnitFinished(number, seed, epoch))
        self._settle(number)

    def failed(self, number: int, seed: int, reason: str) -> None:
        """The unit cannot be finished; no further seed of its configuration starts."""
        self._record(UnitFailed(number, seed, reason))
        self._settle(number)

    def abandon(self, reason: str) -> None:
        """Give up every unit that still runs."""
        for unit in self.board.units():
            if unit.state is State.RUNNING:
                self.failed(unit.configuration, unit.seed, reason)

    def _settle(self, number: int) -> None:
        configuration = self.board.configurations[number]
        if not configuration.over(self.board.seeds):
            return
        summary = configuration.summary()
        if configuration.settled or summary is None:
            self._search.tell_failed(number)
        else:
            self._search.tell_complete(number, summary.mean)

    def _record(self, event: Event) -> None:
        self.board.apply(event)
        for listener in self._listeners:
            listener(event)
