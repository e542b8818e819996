"""Ray Tune's searcher of a study: hands out the units that the study starts, and tells it how they ended."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ray.tune.search import Searcher

from sweep.execution.hand_out import HandOut
from sweep.execution.losses import Loss
from sweep.execution.nodes import AVOID
from sweep.execution.slots import Slots
from sweep.execution.unit_news import tell_ending
from sweep.study.coordinator import Coordinator, UnitConfig
from sweep.study.units import State
from sweep.worker.step_result import StepResult


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
        self._hand_out = HandOut(coordinator, unit_config, slots)
        self._on_wait = on_wait
        self._units: dict[str, tuple[int, int]] = {}

    def suggest(self, trial_id: str) -> dict[str, Any] | str | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Hand a unit out, as what its worker is told; under `AVOID` the nodes that it must not come to, if any."""
        if (unit := self._hand_out.next()) is not None:
            self._units[trial_id] = unit.number, unit.seed
            return {**unit.config, AVOID: sorted(unit.avoided)} if unit.avoided else unit.config
        if self._coordinator.over:
            return Searcher.FINISHED
        self._on_wait()
        return None

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        # Tune calls again for a trial of which the first call went wrong.
        number, seed = self._units.pop(trial_id, (None, None))
        if number is None or seed is None:
            return
        if self._coordinator.board.unit(number, seed).state is State.RUNNING:
            last = None if error else StepResult.from_tune(result)
            loss = self._losses.get(trial_id, Loss("no cause given", "worker"))
            tell_ending(self._coordinator, number, seed, last, loss)

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
