"""Units of which nothing is heard: for how long, beside what their epochs take, and when their workers are killed.

A worker that is stopped, hangs in a call of CUDA, or waits for a file server that is away tells nobody. All that is
known of it is that it has ended no epoch for longer than epochs take.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from data.quantities import duration
from sweep.study.board import Board
from sweep.study.nodes import UnitKey
from sweep.study.units import Unit, unit_id

Patience = Literal["auto"] | Annotated[float, Field(gt=0, le=1e6)] | None
"""Hours without news after which a worker is killed, see `patience_s`; None: never."""
AUTO_EPOCHS, AUTO_LEAST_S = 10, 600.0
"""Under `auto` a worker may be silent for so many times the longest epoch, and for so many seconds at least."""
AUTO_UNKNOWN_S = 3600.0
"""The same, in seconds, while no unit has ended an epoch, and nobody knows how long one takes."""
MOST_DOUBLINGS = 3
"""How often patience with a unit is doubled at most for workers of other units that were killed."""
TOLD_EPOCHS, TOLD_LEAST_S, TOLD_UNKNOWN_S = 3, 30.0, 600.0
"""People are told of a silence of more than so many epochs and seconds; where no epoch is known, of so many seconds."""
NONE: Mapping[UnitKey, float] = MappingProxyType({})
"""No unit has told of an epoch again."""
BLINK_S = 5.0
"""A driver that does not listen for longer than this was busy with something else, or was stopped."""


@dataclass(frozen=True)
class Silence:
    """How long nothing was heard of a running unit; all times in seconds.

    `since`: when it last ended an epoch, or came to its device, in seconds since 1970. `epoch`: what an epoch of its
    configuration takes, 0 while none was ended; `longest`: the longest epoch of the study, or 0. `patience`: after how
    long the worker is killed.
    """

    unit: UnitKey
    since: float
    seconds: float
    epoch: float
    longest: float
    patience: float

    def __str__(self) -> str:
        return f"{unit_id(*self.unit)}: no news for {duration(self.seconds)} ({self._beside})"

    @property
    def reason(self) -> str:
        """Why the worker was killed, in one line."""
        return f"no news for {duration(self.seconds)}, while {self._beside} (resources.patience)"

    @property
    def _beside(self) -> str:
        if self.epoch:
            return f"an epoch takes {duration(self.epoch)}"
        return (
            f"the longest epoch took {duration(self.longest)}" if self.longest else "no epoch was ended yet"
        )


class Attention:
    """When the driver listened. What happens while it is busy elsewhere, or stopped itself, it hears only later."""

    def __init__(self) -> None:
        self._listened: float | None = None
        self._away: list[tuple[float, float]] = []

    def listen(self, now: float) -> None:
        """Take note that all that was reported is being heard now. To be called several times a second."""
        if self._listened is not None and now - self._listened > BLINK_S:
            self._away.append((self._listened, now))
        self._listened = now

    def away(self, since: float, now: float) -> float:
        """Seconds between `since` and `now` in which nobody listened; 0 where nobody ever did."""
        away = self._away
        if self._listened is not None and now - self._listened > BLINK_S:
            away = [*away, (self._listened, now)]
        return sum(max(0.0, min(until, now) - max(begun, since)) for begun, until in away)

    def forget(self, before: float) -> None:
        """Drop what ended before a time that nobody will ask about."""
        self._away = [(begun, until) for begun, until in self._away if until > before]


def always(since: float, now: float) -> float:
    """Say that the driver was never away, where that is not known."""
    return 0.0


def silences(
    board: Board,
    patience: Patience,
    now: float,
    away: Callable[[float, float], float] = always,
    again: Mapping[UnitKey, float] = NONE,
) -> list[Silence]:
    """Find the running units that have been silent for notably longer than their epochs take, the longest first.

    A unit that waits for a device is not silent. `away`: for how long the driver did not listen between two times
    (`Attention.away`), which is no silence of any unit. `again`: when a unit last told of an epoch that was heard
    before, which is on no board: one without a newer checkpoint trains such epochs once more.
    """
    units = (unit for unit in _on_devices(board) if now - unit.attempts[-1].heard > TOLD_LEAST_S)
    found = [_silence(board, unit, patience, now, away, again) for unit in units]
    told = [silence for silence in found if silence.seconds > _told_after(board, silence)]
    return sorted(told, key=lambda silence: silence.since)


def hung(
    board: Board,
    patience: Patience,
    now: float,
    away: Callable[[float, float], float],
    again: Mapping[UnitKey, float] = NONE,
) -> Silence | None:
    """Find the unit whose worker is to be killed now: of those whose patience has ended the one silent for longest.

    One at a time: if no epoch is ended by any unit after its loss, the patience with the others is doubled. `away` and
    `again` are as `silences` takes them.
    """
    if patience is None:
        return None
    least = AUTO_LEAST_S if patience == "auto" else 3600 * patience
    units = (unit for unit in _on_devices(board) if now - unit.attempts[-1].heard > least)
    found = (_silence(board, unit, patience, now, away, again) for unit in units)
    over = [silence for silence in found if silence.seconds > silence.patience]
    return min(over, key=lambda silence: silence.since, default=None)


def patience_s(board: Board, unit: Unit, patience: Patience) -> float:
    """Seconds without news after which the worker of a unit is killed.

    `auto` goes by the longest epoch, the set-up before a first one included, that the present driver has heard: an
    earlier one may have had faster machines. Whatever is set is doubled for each worker of the unit that was killed for
    its silence since the unit last ended an epoch, so that a unit whose epochs take longer than those of others ends one
    at last; and, up to `MOST_DOUBLINGS` times, for each that was killed of whatever unit since any last ended an epoch.
    So first epochs that take longer than anybody thought, or a file server that is away, do not cost all their workers.
    """
    if patience is None:
        return math.inf
    if patience == "auto":
        longest = board.epoch_times.longest
        seconds = max(AUTO_LEAST_S, AUTO_EPOCHS * longest) if longest else AUTO_UNKNOWN_S
    else:
        seconds = 3600 * patience
    return seconds * 2.0 ** max(unit.silences, min(board.silences, MOST_DOUBLINGS))


def _on_devices(board: Board) -> Iterator[Unit]:
    return (unit for unit in board.running.values() if unit.placed)


def _silence(
    board: Board,
    unit: Unit,
    patience: Patience,
    now: float,
    away: Callable[[float, float], float],
    again: Mapping[UnitKey, float],
) -> Silence:
    key = unit.configuration, unit.seed
    times, since = board.epoch_times, max(unit.attempts[-1].heard, again.get(key, -math.inf))
    epochs = int(times.epochs[unit.configuration])
    return Silence(
        key,
        since,
        now - since - away(since, now),
        float(times.seconds[unit.configuration]) / epochs if epochs else 0.0,
        times.longest,
        patience_s(board, unit, patience),
    )


def _told_after(board: Board, silence: Silence) -> float:
    """Seconds of silence from which on a person is told."""
    # What comes before a first epoch takes its time as well.
    came_on = board.unit(*silence.unit).came_on
    epoch = silence.epoch if came_on else max(silence.epoch, silence.longest)
    return max(TOLD_LEAST_S, TOLD_EPOCHS * epoch) if epoch else TOLD_UNKNOWN_S
