"""Where a driver has units trained: on Ray, or by what tests put in its place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from sweep.study.coordinator import Coordinator, UnitConfig


class UnitSlots(Protocol):
    """How many units run at a time (`sweep.execution.slots.Slots`)."""

    @property
    def here(self) -> int:
        """How many fit on the machines that are there now."""
        ...

    def __call__(self) -> int:
        """Count the units to hand out, including those that wait for machines to come."""
        ...


class Executor(Protocol):
    """Where units are trained (`sweep.execution.ray_session.RaySession`)."""

    @property
    def slots(self) -> UnitSlots: ...

    def run(
        self, coordinator: Coordinator, unit_config: UnitConfig, folder: Path, on_tick: Callable[[], None]
    ) -> None:
        """Train the units that `coordinator` starts until the study is over or halted, and call `on_tick` often."""
        ...

    def stop(self) -> None:
        """End the workers. May be called again."""
        ...
