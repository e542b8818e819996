"""What a person watches while a study runs: a live table on a terminal, a line per decision elsewhere."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.text import Text

from data.errors import one_line
from data.population import Population
from data.quantities import counted, duration
from data.task import Task
from evidence.objectives import TITLES
from sweep.driver.display import Display
from sweep.driver.foretelling import Foretelling
from sweep.report.leaderboard import leaderboard
from sweep.report.searched_values import written
from sweep.report.status import aside
from sweep.report.training_now import Epochs, training_now
from sweep.report.winner import luck_aside
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.events import (
    ConfigurationDropped,
    EpochReported,
    Event,
    NodeAccused,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPruned,
)
from sweep.study.nodes import UnitKey, shown
from sweep.study.plan import PROMISED
from sweep.study.silence import Silence
from sweep.study.units import Configuration, State, unit_id

LINES = 8
STOPS = 4
"""How many lines of a live table say why something stopped."""
REFRESH_S = 1.0
DRAWN_SHARE = 0.05
"""Largest share of the time that the live table takes, and that finding out how much luck is in the best score takes."""
RACED_SHARE = 0.1
"""Of the configurations that race, about so many get all their seeds."""
Shown = ConfigurationDropped | UnitFinished | UnitPruned | UnitLost | UnitFailed


class Progress:
    """Shows a board while it grows. A listener of the study, and a context in which the live table stands."""

    def __init__(
        self,
        board: Board,
        budget: Budget,
        display: Display,
        *,
        task: Task,
        silences: Callable[[], Sequence[Silence]],
        held_out: bool = True,
        label: str | None = None,
        population: Population = "all",
        epochs: Epochs | None = None,
        foretelling: Foretelling | None = None,
        clock: Callable[[], float] = time.time,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        """`silences`: finds the units of which nothing is heard (`sweep.study.coordinator.Coordinator.silences`).

        `epochs`: the length of a configuration by its values, with which a live table shows what trains now.
        `foretelling`: hears events too, and says how long the study will still take; without it the pace so far does.
        `held_out`, `label` and `population`: what the scores are of, as in `sweep.report.leaderboard.leaderboard`.
        `clock`: seconds since 1970, as in events; `timer`: seconds that never jump, for how often to draw.
        """
        self._board = board
        self._budget = budget
        self._display = display
        self._task = task
        self._held_out = held_out
        self._label = label
        self._population: Population = population
        self._epochs = epochs
        self._foretelling = foretelling
        self._stops: deque[str] = deque(maxlen=STOPS)
        """The last lines on why something stopped."""
        self._live = display.live()
        self._clock = clock
        self._timer = timer
        self._draw_at = timer() + REFRESH_S
        self._luck: tuple[tuple[int, int], float, str] | None = None
        """Of which best configuration and number of its seeds, until when, and what is said of its luck."""
        self._silences = silences
        self._told: set[tuple[UnitKey, float]] = set()
        """Silences that a line has told of: the unit, and since when."""
        self._notes: set[str] = set()
        """Notes of units that a line has told of: the first unit's stands for all that say the same."""

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
        """Draw the live table anew, or tell of units that have fallen silent: once in `REFRESH_S`, or more rarely."""
        began = self._timer()
        if began < self._draw_at:
            return
        silences = self._silences()
        if self._live:
            table = leaderboard(
                self._board,
                self._task,
                rows=LINES,
                held_out=self._held_out,
                label=self._label,
                population=self._population,
            )
            now = self._clock()
            training = None if self._epochs is None else training_now(self._board, self._epochs, now, LINES)
            lines = Text("\n".join([*self._stops, *map(str, silences[:LINES])]))
            # What a low terminal has no room for is cut off the end.
            parts = [Text(self.status()), training, lines if lines.plain else None, table]
            self._live.update(Group(*(part for part in parts if part is not None)), refresh=True)
        else:
            for silence in silences:
                if (silence.unit, silence.since) not in self._told:
                    self._display.warn(str(silence))
            self._told = {(silence.unit, silence.since) for silence in silences}
        self._draw_at = max(began + REFRESH_S, self._rested(began))

    def __call__(self, event: Event) -> None:
        self._display.hear(event)
        if self._foretelling is not None:
            self._foretelling(event)
        if isinstance(event, Shown) and not isinstance(event, UnitFinished):
            self._stops.append(_line(self._board, event))
        if isinstance(event, EpochReported) and (note := event.report.get("note")) not in (
            None,
            *self._notes,
        ):
            self._notes.add(note)
            self._display.warn(f"{unit_id(event.configuration, event.seed)}: {one_line(note)}")
        if isinstance(event, NodeAccused):
            # Above a live table too: somebody should look at that machine.
            self._display.warn(f"node {shown(event.node)} {aside(self._board.nodes[event.node])}")
        elif self._live is None and isinstance(event, Shown):
            self._display.say(f"{_line(self._board, event)}  [{self.status()}]")

    def status(self) -> str:
        """Write one line: how far the study is, the best so far, and about how long it will still take."""
        board, now = self._board, self._clock()
        parts = [str(use) for use in self._budget.uses(board, now)]
        parts += [
            f"units done {board.ended.total()}, running {len(board.running)}",
            *([self._best()] if board.competes else []),
            f"elapsed {duration(board.wall_seconds(now))}",
        ]
        if accused := [shown(name) for name, node in board.nodes.items() if node.accused is not None]:
            parts.append(f"no units on {', '.join(accused)}")
        if (left := self._left(now)) is not None:
            parts.append(left)
        return "  ".join(parts)

    def _left(self, now: float) -> str | None:
        """Say for about how long the study will still run; None where nobody knows, and when it is over."""
        if self._board.stopped == "over":
            return None
        told = None if self._foretelling is None else self._foretelling.left(now)
        if told is not None:
            between = f" ({duration(told.low)} to {duration(told.high)})" if told.high - told.low > 60 else ""
            return f"about {duration(told.seconds)} left{between}"
        left = self._seconds_left(now)
        return None if left is None else f"about {duration(left)} left"

    def _best(self) -> str:
        board = self._board
        best = board.best()
        if best is None:
            return "best: none complete yet"
        luck = self._luck_of(best) if self._held_out else self._label
        named = "" if board.objective == "score" else f"{TITLES[board.metric]} "
        return f"best {named}{best.summary(board.metric)} (no. {best.number}{f'; {luck}' if luck else ''})"

    def _luck_of(self, best: Configuration) -> str:
        """Say how much luck is in the best score, anew for other seeds, and when `DRAWN_SHARE` allows."""
        known, began = (best.number, len(best.units_in(State.FINISHED))), self._timer()
        if self._luck is None or self._luck[0] != known or began >= self._luck[1]:
            said = luck_aside(self._board)
            self._luck = known, self._rested(began), said
        return self._luck[2]

    def _rested(self, began: float) -> float:
        """Say when what began at `began`, and has just ended, may be done again."""
        return began + (self._timer() - began) / DRAWN_SHARE

    def _seconds_left(self, now: float) -> float | None:
        """Foretell the seconds to the end, at the pace so far.

        None before the first unit is done, or when no number of configurations is set.
        """
        board = self._board
        most = {use.limit: use.allowed for use in self._budget.uses(board, now)}.get("configurations")
        if most is None or not board.ended.total():
            return None
        scores, seeds = board.scores, len(board.seeds)
        to_come = max(0.0, most - len(board.configurations))
        if self._budget.all_seeds:
            to_come = seeds * to_come + float((seeds - scores.started[scores.open]).sum())
        else:
            further = int(scores.started.sum()) - len(board.configurations)
            to_come += max(0.0, max(RACED_SHARE * most, PROMISED) * (seeds - 1) - further)
        to_come += len(board.running) / 2 + len(board.waiting)
        return board.wall_seconds(now) * to_come / board.ended.total()


def _line(board: Board, event: Shown) -> str:
    configuration = board.configurations[event.configuration]
    values = "  ".join(f"{field}={written(value, field)}" for field, value in configuration.values.items())
    if isinstance(event, ConfigurationDropped):
        return f"configuration {event.configuration}  {event.reason}  {values}"
    name = unit_id(event.configuration, event.seed)
    if isinstance(event, UnitFinished):
        selected = board.unit(event.configuration, event.seed).selected
        assert selected is not None
        summary = configuration.summary(board.metric)
        assert summary is not None
        seeds = counted(summary.seeds, "seed")
        reached = f"{TITLES[board.metric]} {100 * selected[board.metric]:.1f} %"
        return f"{name}  {reached}  configuration {summary} ({seeds})  {values}"
    reason = event.reason.partition("\n")[0]
    if isinstance(event, UnitLost):
        return f"{name}  waits to go on from its checkpoint: {reason}"
    return f"{name}  {reason}  {values}"
