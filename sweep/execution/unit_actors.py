"""The Ray actors in which units are set up and trained: which is whose, and what happens to one that gives no news."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import ray
from ray.tune.experiment import Trial

from sweep.execution.losses import Loss
from sweep.execution.nodes import node_of
from sweep.study.coordinator import Coordinator
from sweep.study.nodes import UnitKey

LOOK_EVERY_S = 2.0


class UnitActors:
    """Tells the study when units come to their devices, and kills the workers of units that hang.

    Ray Tune itself tells that a unit is placed when its set-up is over. Set-up may hang too, so Ray's head is asked
    before. Until set-up is over Tune may move a unit to a worker that has become free, perhaps on another node.
    """

    def __init__(self, coordinator: Coordinator, clock: Callable[[], float] = time.monotonic) -> None:
        self._coordinator = coordinator
        self._clock = clock
        self._looked = clock()
        self._trials: dict[UnitKey, tuple[Any, Trial]] = {}
        """Tune's controller and trial of each unit that is handed out and has not ended."""
        self._beginning: set[UnitKey] = set()
        """Those of them whose set-up is not over."""
        self._killed: dict[str, str] = {}
        """Why workers were killed, by trial id."""

    def add(self, controller: Any, trial: Trial) -> None:
        """Take note that Tune's controller has a new trial, and will look for a place for it."""
        self._trials[_unit(trial)] = controller, trial
        self._beginning.add(_unit(trial))

    def remove(self, trial: Trial) -> None:
        """Take note that a trial has ended, however."""
        unit = _unit(trial)
        if unit in self._trials and self._trials[unit][1] is trial:
            del self._trials[unit]
            self._beginning.discard(unit)

    def began(self, trial: Trial) -> None:
        """Take note that the set-up of a trial's unit is over."""
        self._beginning.discard(_unit(trial))
        self._place(_unit(trial), begun=True)

    def count_at_work(self) -> int:
        """Count the units whose set-up is over and that have not ended."""
        return len(self._trials.keys() - self._beginning)

    def loss_of(self, trial: Trial) -> Loss | None:
        """Say why a trial was killed here; None for one that was not."""
        reason = self._killed.pop(trial.trial_id, None)
        return None if reason is None else Loss(reason, "silence")

    def look(self) -> None:
        """Place the units whose set-up has begun, and kill the worker of a unit that hangs. To be called often."""
        if self._clock() - self._looked >= LOOK_EVERY_S:
            self._looked = self._clock()
            for unit in list(self._beginning):
                self._place(unit, begun=False)
        silence = self._coordinator.hung()
        if silence is not None and (actor := self._actor(silence.unit)) is not None:
            self._killed.setdefault(self._trials[silence.unit][1].trial_id, silence.reason)
            # Ray's head gives the actor up at once; its node ends the process by SIGKILL if nothing else helps.
            ray.kill(actor)

    def _place(self, unit: UnitKey, *, begun: bool) -> None:
        """Tell the study that a unit is placed if its set-up is over, or Ray tells on which node it goes on."""
        actor = self._actor(unit)
        node = node_of(actor._actor_id.hex()) if actor is not None else ""
        if begun or node:
            with self._coordinator.halting_on_full_disk():
                self._coordinator.place(*unit, node)

    def _actor(self, unit: UnitKey) -> Any:
        """Find the actor that a unit has, or is about to have; None while it waits for a place, or has ended."""
        if unit not in self._trials:
            return None
        controller, trial = self._trials[unit]
        # A trial itself has its actor only after set-up.
        actors = controller._actor_manager._live_actors_to_ray_actors_resources
        actor, _ = actors.get(controller._trial_to_actor.get(trial), (None, None))
        return actor


def _unit(trial: Trial) -> UnitKey:
    return trial.config["configuration"], trial.config["seed"]
