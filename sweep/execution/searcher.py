"""Ray Tune's searcher of a study: hands out the units that the study starts, and tells it how they ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from data.settings import ConfigError
from sweep.execution.losses import Loss
from sweep.execution.nodes import AVOID
from sweep.execution.slots import Slots
from sweep.study.coordinator import Coordinator, UnitConfig
from sweep.study.units import Configuration, State
from sweep.worker.step_result import Failed, Finished, FullDisk, OutOfMemory, StepResult


class BoardSearcher(Searcher):
    """Suggests one unit (configuration and seed) for each Tune trial, and tells the study how the trial ended.

    Epochs are heard by the scheduler (`sweep.execution.scheduler.EpochPruning`) and not here: Tune leaves the searcher
    out when the scheduler stops a trial.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        unit_config: UnitConfig,
        losses: Mapping[str, Loss],
        slots: Slots,
        on_wait: Callable[[], None],
    ) -> None:
        """Take what the searcher asks and tells while Tune runs.

        `unit_config`: what a worker is told of a unit. `losses`: why the worker of a trial is gone, by trial id; filled
        by the scheduler. `slots`: units at a time, and the nodes. `on_wait`: called when there is nothing to hand out
        now, as Tune may then ask for minutes without doing anything else.
        """
        super().__init__()
        self._coordinator = coordinator
        self._losses = losses
        self._slots = slots
        self._on_wait = on_wait
        self._unit_config = unit_config
        self._units: dict[str, tuple[int, int]] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Hand a unit out, as what its worker is told; under `AVOID` the nodes that it must not come to, if any."""
        with self._coordinator.halting_on_full_disk():
            while self._has_room() and (started := self._next_unit()) is not None:
                configuration, seed = started
                try:
                    config = self._unit_config(configuration, seed)
                except ConfigError as error:
                    # Values that are fine one by one may still contradict each other.
                    self._coordinator.failed(configuration.number, seed, str(error))
                    continue
                self._units[trial_id] = configuration.number, seed
                avoided = self._coordinator.avoided(configuration.number, seed, self._slots.nodes)
                return {**config, AVOID: sorted(avoided)} if avoided else config
        if self._coordinator.over:
            return Searcher.FINISHED
        self._on_wait()
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

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        # Tune calls again for a trial of which the first call went wrong.
        number, seed = self._units.pop(trial_id, (None, None))
        if number is None or seed is None:
            return
        if self._coordinator.board.unit(number, seed).state is State.RUNNING:
            with self._coordinator.halting_on_full_disk():
                self._hear(trial_id, number, seed, None if error else StepResult.from_tune(result))

    def _hear(self, trial_id: str, number: int, seed: int, last: StepResult | None) -> None:
        """Tell the study how a unit ended; `last` is None when its worker is gone."""
        coordinator = self._coordinator
        match last and last.ending:
            case Finished(epoch):
                coordinator.finished(number, seed, epoch)
            case Failed(reason):
                coordinator.failed(number, seed, reason)
            case OutOfMemory(reason):
                coordinator.lost(number, seed, reason, out_of_memory=True)
            case FullDisk(reason):
                coordinator.halt(reason)
            case None if coordinator.halted is None:
                loss = self._losses.get(trial_id, Loss("no cause given", "worker"))
                if last is not None:
                    loss = Loss("stopped from outside before its last epoch", "worker")
                coordinator.lost(number, seed, loss.reason, cause=loss.cause, node=loss.node)
            case None:
                # What a halt tears down is no failure of the unit, which waits to be taken up again.
                pass

    def save(self, checkpoint_path: str) -> None:
        """Tune asks for a file; what counts is in the study's journal."""
        Path(checkpoint_path).write_text(
            json.dumps({"units": len(self._coordinator.board.units())}), encoding="utf-8"
        )

    def restore(self, checkpoint_path: str) -> None:
        raise NotImplementedError("a study is restored from its journal, not from Tune's state")

    def __getstate__(self) -> dict[str, Any]:
        # Tune pickles its searcher beside its own state; the study lives in the driver alone.
        return {}
