"""Units that last less than a second, given to Ray's actors without a trial of Ray Tune for each."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import ray
from ray.exceptions import RayError
from ray.tune import Trainable

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.hand_out import HandedOut, HandOut
from sweep.execution.losses import Loss, loss_from
from sweep.execution.nodes import node_of, off
from sweep.execution.room import bundle
from sweep.execution.slots import Slots
from sweep.execution.unit_news import tell_ending, tell_epochs
from sweep.study.coordinator import Coordinator, UnitConfig
from sweep.study.nodes import UnitKey
from sweep.worker.step_result import StepResult

LOOK_EVERY_S = 0.1
PLACE_EVERY_S = 2.0
"""How often Ray's head is asked where new actors have come to."""
STOP_S = 5.0
"""So long workers may take to let go of what they hold, before they are killed."""


@dataclass
class _Worker:
    """An actor, the unit that it trains, and what it was last asked; no unit while it has nothing to do."""

    actor: Any
    node: str = ""
    """Where the actor is; empty while it waits for room."""
    unit: HandedOut | None = None
    begun: Any = None
    """What comes back once it has taken the unit; None in an actor that was made for it."""
    stepped: Any = None
    """What comes back of the step that it takes."""
    killed: Loss | None = None

    @property
    def key(self) -> UnitKey | None:
        return None if self.unit is None else (self.unit.number, self.unit.seed)


class BriefUnits:
    """Trains the units of a study with one call of an actor for each, or some where a unit takes several steps.

    Ray Tune makes of each unit a trial: that takes about as much processor time as to train a head on a frozen encoder
    (docs/benchmarks.md). The study hears the same as through Tune (`sweep.execution.tuner`): where a unit runs, each of
    its epochs, how it ended or why its worker is gone; and a unit's worker is the same `trainable`.
    """

    def __init__(
        self,
        coordinator: Coordinator,
        resources: ResourcesConfig,
        unit_config: UnitConfig,
        on_tick: Callable[[], None],
        trainable: type[Trainable],
        slots: Slots,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what `sweep.execution.tuner.run_units` takes; Ray must have been started."""
        self._coordinator = coordinator
        self._resources = bundle(resources)
        self._trainable = ray.remote(trainable)
        self._hand_out = HandOut(coordinator, unit_config, slots)
        self._slots = slots
        self._on_tick = on_tick
        self._clock = clock
        self._looked = self._placed = clock()
        self._workers: list[_Worker] = []

    def run(self) -> None:
        """Train units until the study is over or halted; raises what `on_tick` or `unit_config` raises."""
        try:
            while self._coordinator.halted is None:
                while (unit := self._hand_out.next()) is not None:
                    self._give(unit, self._idle(unit.avoided))
                if not self._hear_next() and self._coordinator.over:
                    break
                self._look()
        finally:
            self._stop()

    def _give(self, unit: HandedOut, worker: _Worker | None) -> None:
        """Give a unit to a worker, or to a new one."""
        if worker is None:
            actor = self._trainable.options(
                num_cpus=self._resources.get("CPU", 0),
                num_gpus=self._resources.get("GPU", 0),
                resources={
                    name: some for name, some in self._resources.items() if name not in ("CPU", "GPU")
                },
                label_selector=off(unit.avoided),
            ).remote(unit.config)
            worker = _Worker(actor)
            self._workers.append(worker)
        else:
            worker.begun = worker.actor.reset_config.remote(unit.config)
        worker.unit = unit
        worker.stepped = worker.actor.step.remote()
        self._place(worker)

    def _idle(self, avoided: Collection[str]) -> _Worker | None:
        """Find a worker without a unit that may be given one; if there is none, those without a unit make room."""
        idle = [worker for worker in self._workers if worker.unit is None]
        for worker in idle:
            if worker.node in self._slots.nodes and worker.node not in avoided:
                return worker
        for worker in idle:
            self._let_go(worker)
        return None

    def _hear_next(self) -> bool:
        """Hear the steps that are over, or wait a moment for one; False when no unit is under way."""
        asked = {worker.stepped: worker for worker in self._workers if worker.unit is not None}
        if not asked:
            time.sleep(LOOK_EVERY_S)
            return False
        if ray.wait(list(asked), timeout=LOOK_EVERY_S)[0]:
            # All that have answered: the first ones would be heard again and again, and the last ones never.
            ready, _ = ray.wait(list(asked), num_returns=len(asked), timeout=0)
            for step in ready:
                self._hear(asked[step])
        return True

    def _hear(self, worker: _Worker) -> None:
        assert worker.unit is not None
        number, seed = worker.unit.number, worker.unit.seed
        try:
            *_, told = ray.get([*filter(None, [worker.begun]), worker.stepped])
        except RayError as error:
            self._let_go(worker)
            tell_ending(self._coordinator, number, seed, None, worker.killed or loss_from(error))
            return
        self._place(worker)
        result = StepResult.from_tune(told)
        stopped = tell_epochs(self._coordinator, number, seed, result)
        if not stopped and result.ending is None and worker.killed is None:
            worker.begun, worker.stepped = None, worker.actor.step.remote()
            return
        worker.unit = worker.begun = worker.stepped = None
        if worker.killed is not None:
            # It answered at the last moment.
            self._let_go(worker)
            if not stopped and result.ending is None:
                tell_ending(self._coordinator, number, seed, None, worker.killed)
                return
        if not stopped:
            tell_ending(self._coordinator, number, seed, result, Loss("no cause given", "worker"))

    def _look(self) -> None:
        """Look a few times a second at where new workers have come to, and for one that hangs."""
        if self._clock() - self._looked < LOOK_EVERY_S:
            return
        self._looked = self._clock()
        if self._clock() - self._placed >= PLACE_EVERY_S:
            self._placed = self._clock()
            self._place_new_ones()
        silence = self._coordinator.hung()
        if silence is not None:
            for worker in self._workers:
                if worker.key == silence.unit and worker.killed is None:
                    worker.killed = Loss(silence.reason, "silence")
                    ray.kill(worker.actor)
        self._on_tick()

    def _place_new_ones(self) -> None:
        """Look where new workers have come to; the unit of one that waits for room goes to one that has nothing to do.

        Without that a worker might wait for the room of one which nothing more is given to.
        """
        for worker in [worker for worker in self._workers if not worker.node]:
            self._place(worker)
            if not worker.node and worker.unit is not None:
                idle = self._idle(worker.unit.avoided)
                if idle is not None:
                    self._let_go(worker)
                    self._give(worker.unit, idle)

    def _place(self, worker: _Worker) -> None:
        """Tell the study where a worker's unit is, once Ray tells on which node the worker is."""
        worker.node = worker.node or node_of(worker.actor._actor_id.hex())
        if worker.node and worker.unit is not None:
            with self._coordinator.halting_on_full_disk():
                self._coordinator.place(worker.unit.number, worker.unit.seed, worker.node)

    def _let_go(self, worker: _Worker) -> None:
        self._workers.remove(worker)
        with contextlib.suppress(RayError):
            ray.kill(worker.actor)

    def _stop(self) -> None:
        """End all workers: those that can let go of what they hold first."""
        with contextlib.suppress(RayError):
            ray.wait(
                [worker.actor.stop.remote() for worker in self._workers],
                num_returns=len(self._workers),
                timeout=STOP_S,
            )
        for worker in list(self._workers):
            self._let_go(worker)
