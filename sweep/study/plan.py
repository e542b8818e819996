"""How a study that is paid for ends: which configurations will be finished, and what fits beside them.

Pure: a function of the board, of what is left of the budget, and of how long units take.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from sweep.study.board import Board
from sweep.study.units import Unit

PROMISED = 3
"""How many configurations a plan finishes if it can: one more than a race is sure to, as either may fall back."""
RACE_SHARE = 1 / 3
"""Part of a budget of units or hours that is kept for further seeds."""
MARGIN = 0.05
"""By how much, as a fraction, a unit may exceed what is expected."""


@dataclass(frozen=True)
class Durations:
    """How long units take, in seconds and with a margin; `durations_of` estimates them."""

    units: np.ndarray
    """Of a unit of each configuration, (configurations,)."""
    new: float
    """Of a unit of a configuration of which nothing is known."""
    left: Mapping[tuple[int, int], float] = field(default_factory=dict)
    """What each unit under way, running or waiting, still needs, by configuration and seed."""
    timed: int = 0
    """Number of configurations that have reported an epoch; while there are none all durations are 0."""
    untimed: int = 0
    """Number of units under way of configurations that have not."""

    @classmethod
    def alike(cls, configurations: int) -> Durations:
        """Durations for a budget that has no limit of time: all are the same."""
        return cls(np.ones(configurations), 1.0)


def durations_of(board: Board, now: float, epochs: Callable[[int], int], *, careful: bool) -> Durations:
    """Estimate how long units take; `epochs` gives the number of epochs of a configuration, by its number.

    A configuration's epochs last as long as its epochs so far; one that has reported none is taken for the mean of the
    others. Those that report first are the fastest. So, if `careful`, the time of all that have not reported is added to
    the time of those that have; otherwise what is late counts as if it had reported now.
    """
    times, scores = board.epoch_times, board.scores
    timed = times.epochs > 0
    rows = np.flatnonzero(timed | (scores.open & (scores.started > 0)))
    planned = np.zeros(len(timed))
    planned[rows] = [epochs(row) for row in rows.tolist()]
    under_way = [*board.running.values(), *board.waiting.values()]
    silences = [_silence(unit, now) for unit in under_way]
    untimed = [
        silence for unit, silence in zip(under_way, silences, strict=True) if not timed[unit.configuration]
    ]
    seconds_an_epoch, mean = np.zeros(len(timed)), 0.0
    if timed.any():
        own = times.seconds[timed] / times.epochs[timed]
        late = [silence for silence in untimed if careful or silence > own.mean()]
        mean = (float(own.sum()) + sum(late)) / (len(own) + (0 if careful else len(late)))
        seconds_an_epoch[:] = (1 + MARGIN) * mean
        seconds_an_epoch[timed] = (1 + MARGIN) * own
    left: dict[tuple[int, int], float] = {}
    for unit, silence in zip(under_way, silences, strict=True):
        row = unit.configuration
        needed = float((planned[row] - len(unit.curve)) * seconds_an_epoch[row]) - silence
        # What is late is expected to take as long again: the slowest still have most of their time to come. What may be
        # late is as well, if `careful`, and otherwise half as long again.
        if needed <= 0 or (careful and not timed[row]):
            needed = max(needed, silence)
        elif not timed[row]:
            needed = max(needed, silence / 2)
        left[row, unit.seed] = needed
    new = (1 + MARGIN) * mean * (float(planned[rows].mean()) if len(rows) else 0.0)
    return Durations(seconds_an_epoch * planned, new, left, int(timed.sum()), len(untimed))


def _silence(unit: Unit, now: float) -> float:
    """Seconds since a unit was last heard of on the device that it holds; 0 when it holds none."""
    last = unit.attempts[-1] if unit.attempts else None
    return max(0.0, now - last.heard) if last is not None and last.ended is None else 0.0


@dataclass(frozen=True)
class Room:
    """What is left of a budget for units that have not started; each part is endless where nothing limits it."""

    units: float = math.inf
    """How many units may start."""
    device_seconds: float = math.inf
    """Seconds for which these units may hold devices, in all."""
    seconds: float = math.inf
    """Seconds until the study must end."""
    free: tuple[float, ...] = (0.0,)
    """For each device, in how many seconds it is free, as a heap."""

    @classmethod
    def beside(
        cls, durations: Durations, *, units: float, device_seconds: float, seconds: float, slots: int
    ) -> Room:
        """What is left of a budget on `slots` devices when the units under way are paid for."""
        free = [0.0] * slots
        if seconds < math.inf:
            for left in sorted(durations.left.values()):
                heapq.heapreplace(free, free[0] + left)
        return cls(units, device_seconds - sum(durations.left.values()), seconds, tuple(free))

    @property
    def endless(self) -> bool:
        return self.units == self.device_seconds == self.seconds == math.inf

    def after(self, durations: Sequence[float]) -> Room | None:
        """What is left after units of these durations, each on the first free device; None if they do not fit."""
        units, device_seconds = self.units - len(durations), self.device_seconds - sum(durations)
        if units < 0 or device_seconds < 0:
            return None
        if self.seconds == math.inf:
            return Room(units, device_seconds)
        free = list(self.free)
        for duration in durations:
            end = free[0] + duration
            if end > self.seconds:
                return None
            heapq.heapreplace(free, end)
        return Room(units, device_seconds, self.seconds, tuple(free))

    def count(self, duration: float) -> float:
        """How many units of one duration fit."""
        if not duration:
            return self.units
        count = min(self.units, self.device_seconds / duration)
        if self.seconds < math.inf:
            left = np.maximum(0.0, self.seconds - np.array(self.free))
            count = min(count, float(np.floor(left / duration).sum()))
        return count


class Plan:
    """Which configurations will be finished with all their seeds, and whether one more unit fits beside them.

    With a race these are three, or as many as can be finished, and of all such sets the one with the best configurations
    so far; without one, all whose missing seeds fit.
    """

    def __init__(self, board: Board, room: Room, durations: Durations, *, all_seeds: bool) -> None:
        self._board = board
        self._room = room
        self._durations = durations
        self._all_seeds = all_seeds
        self.finished: list[int] = []
        """Numbers of the configurations that will be finished, or are: the best so far first."""
        self._promised: list[list[float]] = []
        self._beside = room
        if not room.endless:
            self._promise()

    @property
    def learns(self) -> bool:
        """Whether too little is known of durations to say how many configurations the device time pays for.

        Waiting for those under way to report costs no device time.
        """
        durations = self._durations
        most = PROMISED + durations.timed
        return self._room.device_seconds < math.inf and durations.untimed >= most

    def allows_seed(self, row: int) -> bool:
        """Whether a further seed fits: its configuration is to be finished, or may be in place of one that is."""
        if self._room.endless or row in self.finished:
            return True
        return self._may_lead(float(self._durations.units[row]), self._missing(row))

    def allows_configuration(self, *, race: bool) -> bool:
        """Whether a new configuration fits that may come to be finished, and, if `race`, the race's share is kept."""
        if self._room.endless:
            return True
        if self.learns:
            return False
        new = self._durations.new
        if race and not self._all_seeds:
            room = self._room.count(new)
            further = self._board.started - len(self._board.configurations)
            if room < 1 + RACE_SHARE * (self._board.started + room) - further < math.inf:
                return False
        # Further seeds start only when the first has a score.
        return 2 * new <= self._room.seconds and self._may_lead(new, len(self._board.seeds))

    def spares_seed(self, row: int) -> bool:
        """Whether a seed fits beside the plan though its configuration will hardly be finished."""
        return not self._rivals and self._beside.after([float(self._durations.units[row])]) is not None

    def spares_configuration(self) -> bool:
        """Whether the first seed of a new configuration fits beside the plan, though hardly all its seeds."""
        if self.learns or (self._all_seeds and self.finished):
            return False
        # A unit of which nothing is known may last long, and take the device time of what is about to be finished.
        under_way = {number for number, _ in self._board.running}
        if self._room.device_seconds < math.inf and not under_way.isdisjoint(self.finished):
            return False
        return not self._rivals and self._beside.after([self._durations.new]) is not None

    def _promise(self) -> None:
        scores = self._board.scores
        if self._all_seeds:
            for row in np.flatnonzero(scores.open).tolist():
                self._promise_if_it_fits(row, beside=[])
            return
        ranked = np.array(self._ranked, dtype=np.int64)
        missing = len(self._board.seeds) - scores.started[ranked]
        cheapest = ranked[np.lexsort((missing, missing * self._durations.units[ranked]))].tolist()
        most = 0
        while most < min(PROMISED, len(cheapest)):
            units = itertools.chain.from_iterable(map(self._lacks, cheapest[: most + 1]))
            if self._room.after(list(units)) is None:
                break
            most += 1
        for row in self._ranked:
            if len(self.finished) == most:
                break
            others = (other for other in cheapest if other != row and other not in self.finished)
            still = itertools.islice(others, most - len(self.finished) - 1)
            self._promise_if_it_fits(row, beside=list(itertools.chain.from_iterable(map(self._lacks, still))))

    def _promise_if_it_fits(self, row: int, beside: list[float]) -> None:
        """Promise a configuration its missing seeds if they fit, with units of these durations beside them."""
        units = self._lacks(row)
        if self._beside.after([*units, *beside]) is None:
            return
        self.finished.append(row)
        if units:
            self._promised.append(units)
            left = self._beside.after(units)
            assert left is not None
            self._beside = left

    def _lacks(self, row: int) -> list[float]:
        """How long the units last that a configuration lacks."""
        return [float(self._durations.units[row])] * self._missing(row)

    @cached_property
    def _ranked(self) -> list[int]:
        scores = self._board.scores
        return scores.leaders(len(scores.open))

    @cached_property
    def _rivals(self) -> list[list[float]]:
        """The units that each configuration lacks which has no score yet and could still be finished."""
        scores, durations, room = self._board.scores, self._durations, self._room
        unscored = np.isnan(scores.ranked).all(axis=1) & scores.open
        rivals = []
        for row in np.flatnonzero(unscored).tolist():
            units = self._lacks(row)
            first = durations.left.get((row, self._board.seeds[0]), 0.0)
            in_time = first + max(units, default=0.0) <= room.seconds
            if in_time and len(units) <= room.units and sum(units) <= room.device_seconds:
                rivals.append(units)
        return rivals

    def _missing(self, row: int) -> int:
        return len(self._board.seeds) - int(self._board.scores.started[row])

    def _may_lead(self, duration: float, missing: int) -> bool:
        """Whether a unit fits, and then what finalists may come to lack.

        That is what the three lack that lack most, of those that are to be finished, that have no score yet, and the one
        asked about, which lacks `missing` units of this `duration` now.
        """
        if self._all_seeds:
            return self._beside.after([duration] * missing) is not None
        rivals = [*self._promised, *self._rivals, [duration] * (missing - 1)]
        most = heapq.nlargest(PROMISED, rivals, key=lambda units: (sum(units), len(units)))
        return self._room.after([duration, *itertools.chain.from_iterable(most)]) is not None
