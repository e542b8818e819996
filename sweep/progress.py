"""What a person watches while a study runs: a live table on a terminal, a line per decision elsewhere."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from sweep.board import Board, Configuration, Event, State, UnitFailed, UnitFinished, UnitPruned, unit_id
from sweep.leaderboard import leaderboard, written

LINES = 8
REFRESH_S = 1.0


class Progress:
    """Shows a board while it grows. A listener of the study, and a context in which the live table stands."""

    def __init__(self, board: Board, budget: int, console: Console) -> None:
        self._board = board
        self._budget = budget
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._started = self._drawn = time.monotonic()

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(Text(self.status()), refresh=True)
            self._live.stop()

    def tick(self) -> None:
        """Draw anew if it is time to."""
        if self._live and time.monotonic() - self._drawn > REFRESH_S:
            self._drawn = time.monotonic()
            self._live.update(Group(leaderboard(self._board, rows=LINES), Text(self.status())), refresh=True)

    def __call__(self, event: Event) -> None:
        if self._live is None and isinstance(event, UnitFinished | UnitPruned | UnitFailed):
            self._console.print(
                f"{_line(self._board, event)}  [{self.status()}]",
                markup=False,
                highlight=False,
                soft_wrap=True,
            )

    def status(self) -> str:
        """One line: how far the study is, the best so far, and about how long it will still take."""
        running = sum(unit.state is State.RUNNING for unit in self._board.units())
        best = self._board.best()
        parts = [
            f"configurations {len(self._board.configurations)}/{self._budget}",
            f"units done {len(self._board.units()) - running}, running {running}",
            f"best {best.summary()} (no. {best.number})" if best else "best: none complete yet",
            f"elapsed {_duration(time.monotonic() - self._started)}",
        ]
        left = self._seconds_left()
        if left is not None:
            parts.append(f"about {_duration(left)} left")
        return "  ".join(parts)

    def _seconds_left(self) -> float | None:
        """Units to come over units done, at the pace so far; None before the first."""
        board = self._board
        done = sum(unit.state is not State.RUNNING for unit in board.units())
        if not done:
            return None
        over = [configuration for configuration in board.configurations if configuration.over(board.seeds)]
        each = (
            sum(len(configuration.units) for configuration in over) / len(over) if over else len(board.seeds)
        )
        started = sum(_units_to_come(configuration, board) for configuration in board.configurations)
        to_come = started + (self._budget - len(board.configurations)) * each
        return (time.monotonic() - self._started) * to_come / done


def _units_to_come(configuration: Configuration, board: Board) -> int:
    if configuration.settled:
        return len(configuration.units_in(State.RUNNING))
    return len(board.seeds) - len(configuration.units_in(State.FINISHED))


def _line(board: Board, event: UnitFinished | UnitPruned | UnitFailed) -> str:
    configuration = board.configurations[event.configuration]
    values = "  ".join(f"{field}={written(value)}" for field, value in configuration.values.items())
    name = unit_id(event.configuration, event.seed)
    if isinstance(event, UnitFinished):
        selected = board.unit(event.configuration, event.seed).selected
        assert selected is not None
        seeds = len(configuration.units_in(State.FINISHED))
        mean = f"configuration {configuration.summary()} ({seeds} seed{'s' if seeds > 1 else ''})"
        return f"{name}  score {selected['score']:.3f}  {mean}  {values}"
    return f"{name}  {event.reason.splitlines()[0]}  {values}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
