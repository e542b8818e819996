"""Which unit comes next, as what its worker is told, while there is room for one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from data.settings import ConfigError
from sweep.execution.slots import Slots
from sweep.study.coordinator import Coordinator, UnitConfig
from sweep.study.units import Configuration


@dataclass(frozen=True)
class HandedOut:
    """A unit that the study has started. `config`: what its worker is told. `avoided`: nodes it must not come to."""

    number: int
    seed: int
    config: dict[str, Any]
    avoided: Collection[str]


class HandOut:
    """Starts one unit after the other, as many at a time as there is room for."""

    def __init__(self, coordinator: Coordinator, unit_config: UnitConfig, slots: Slots) -> None:
        self._coordinator = coordinator
        self._unit_config = unit_config
        self._slots = slots

    def next(self) -> HandedOut | None:
        """Start a unit; None when there is no room, or nothing to start now.

        A configuration that `unit_config` refuses with ConfigError fails. Any other error of it is raised.
        """
        with self._coordinator.halting_on_full_disk():
            while self._has_room() and (started := self._next_unit()) is not None:
                configuration, seed = started
                try:
                    config = self._unit_config(configuration, seed)
                except ConfigError as error:
                    # Values that are fine one by one may still contradict each other.
                    self._coordinator.failed(configuration.number, seed, str(error))
                    continue
                avoided = self._coordinator.avoided(configuration.number, seed, self._slots.nodes)
                return HandedOut(configuration.number, seed, config, avoided)
        return None

    def _has_room(self) -> bool:
        busy = self._busy()
        barred = {name: busy[name] for name in self._coordinator.barred(self._slots.nodes)}
        return len(self._coordinator.board.running) < self._slots(barred)

    def _next_unit(self) -> tuple[Configuration, int] | None:
        busy = self._busy()
        free = {name: places - busy[name] for name, places in self._slots.nodes.items()}
        return self._coordinator.next_unit(placed=False, free=free)

    def _busy(self) -> Counter[str]:
        """Count the units that run on each node, by its name."""
        return Counter(unit.node for unit in self._coordinator.board.running.values())
