"""Studies on several nodes, some of which are broken, on a clock of their own: a coordinator without Ray."""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweep.study.events import Cause, NodeAccused, UnitFailed, UnitLost, UnitPlaced
from sweep.study.units import Span, Unit
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World

LOOK_EVERY_S = 2.0


@dataclass(frozen=True)
class Kills:
    """What kills units: after how many seconds, and what Ray then says is gone."""

    after_s: float
    cause: Cause = "worker"


@dataclass(frozen=True)
class Stops:
    """What stops units: after how many seconds. Nothing more is heard of them."""

    after_s: float


Fault = Callable[[str, tuple[int, int], float], Kills | Stops | None]
"""What befalls a unit that comes to a node at a time: given the node's name, the unit and the time."""


class Fleet(World):
    """A study whose units take `epochs` epochs of `epoch_s` seconds each on `nodes`, places by name.

    `until`: seconds after which the study is left as it stands; a study that never ends would go on for ever.
    `watched`: units that hang are looked for every `LOOK_EVERY_S` seconds.
    """

    def __init__(
        self,
        nodes: Mapping[str, int],
        fault: Fault,
        *,
        epochs: int = 10,
        epoch_s: float = 60.0,
        until: float = 1e6,
        watched: bool = False,
        **world: Any,
    ) -> None:
        super().__init__(slots=sum(nodes.values()), **world)
        self._nodes = nodes
        self._fault = fault
        self._epochs = epochs
        self._epoch_s = epoch_s
        self._news: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._until = until
        if watched:
            self._watch()

    def play_out(self) -> str:
        """Run units until the study is over or halted; returns why it stopped."""
        self._hand_out()
        while self._news and self.coordinator.halted is None:
            self.step()
        return self.coordinator.stop()

    def step(self) -> None:
        """Let the next thing happen, and hand out what may start then."""
        if not self._news:
            self._hand_out()
        at, _, happen = heapq.heappop(self._news)
        if at > self._until:
            self.coordinator.halt("it does not end")
            return
        self.clock.now = at
        happen()
        self._hand_out()

    def placed(self, node: str) -> int:
        """Count the units that came to a node."""
        return sum(isinstance(event, UnitPlaced) and event.node == node for event in self.heard)

    @property
    def accused(self) -> list[NodeAccused]:
        return [event for event in self.heard if isinstance(event, NodeAccused)]

    @property
    def lost(self) -> list[UnitLost]:
        return [event for event in self.heard if isinstance(event, UnitLost)]

    @property
    def failed(self) -> list[UnitFailed]:
        return [event for event in self.heard if isinstance(event, UnitFailed)]

    def _free(self) -> dict[str, int]:
        busy = Counter(unit.node for unit in self.board.running.values())
        return {name: places - busy[name] for name, places in self._nodes.items()}

    def _hand_out(self) -> None:
        while True:
            free = self._free()
            shut = self.coordinator.barred(self._nodes)
            if not any(places for name, places in free.items() if name not in shut):
                break
            started = self.coordinator.next_unit(placed=False, free=free)
            if started is None:
                break
            configuration, seed = started
            avoided = self.coordinator.avoided(configuration.number, seed, self._nodes)
            node = next(name for name, places in free.items() if places and name not in avoided)
            self._begin(configuration.number, seed, node)
        if not self._news and not self.coordinator.over:
            raise AssertionError("nothing runs, and nothing is started, but the study is not over")

    def _begin(self, number: int, seed: int, node: str) -> None:
        self.coordinator.place(number, seed, node)
        fault = self._fault(node, (number, seed), self.clock.now)
        unit = self.board.unit(number, seed)
        attempt, done = unit.attempts[-1], len(unit.curve)
        for place in range(self._epochs - done):
            seconds = self._epoch_s * (place + 1)
            if fault is not None and fault.after_s < seconds:
                break
            self._expect(seconds, lambda e=done + place + 1: self._report(unit, attempt, e))
        else:
            return
        if isinstance(fault, Kills):
            self._expect(fault.after_s, lambda: self._lose(number, seed, fault.cause))

    def _watch(self) -> None:
        silence = self.coordinator.hung()
        if silence is not None:
            self.coordinator.lost(*silence.unit, silence.reason, cause="silence")
        if self.board.running or not self.coordinator.over:
            self._expect(LOOK_EVERY_S, self._watch)

    def _report(self, unit: Unit, attempt: Span, place: int) -> None:
        number, seed = unit.configuration, unit.seed
        # A worker that was killed reports no more.
        if attempt.ended is not None:
            return
        if not self.coordinator.report(number, seed, epoch(place, 0.5)) and place == self._epochs:
            self.coordinator.finished(number, seed, place)

    def _lose(self, number: int, seed: int, cause: Cause) -> None:
        self.coordinator.lost(number, seed, "it is broken", cause=cause)

    def _expect(self, seconds: float, happen: Callable[[], None]) -> None:
        heapq.heappush(self._news, (self.clock.now + seconds, next(self._order), happen))
