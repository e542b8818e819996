"""Ray as one study uses it: started or joined, given the study's units, and left. One study at a time in a process."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Self

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_connection import HEAD, abandon_ray, door_of_this_head, start_ray, stop_ray
from sweep.execution.ray_doors import warn_of_open_doors
from sweep.study.coordinator import Coordinator, UnitConfig

if TYPE_CHECKING:
    from ray.tune import Trainable

    from sweep.execution.slots import Slots

JOIN_S = 180.0
_in_use = threading.Lock()
"""Held by the session that starts or has Ray in this process, where there can be one."""


class RaySession:
    """Runs a study's units with Ray Tune, on this machine or on a cluster."""

    def __init__(
        self,
        resources: ResourcesConfig,
        slots: Slots,
        say: Callable[[str], None],
        trainable: type[Trainable] | None = None,
        *,
        brief: bool = False,
    ) -> None:
        """Made by `start`. `slots`: units at a time; `trainable`: what trains a unit, by default `UnitTrainable`.

        `say` hears when Ray's head is away. `brief`: units last less than a second.
        """
        self.slots = slots
        self._say = say
        self._stopped = False
        self._ray_is_gone = False
        self._resources = resources
        self._trainable = trainable
        self._brief = brief

    @classmethod
    def start(
        cls,
        resources: ResourcesConfig,
        address: str,
        say: Callable[[str], None],
        *,
        trainable: type[Trainable] | None = None,
        join_s: float = JOIN_S,
        announce: Callable[[str, str], None] | None = None,
        brief: bool = False,
    ) -> Self:
        """Start Ray at `address` (see `start_ray`), and wait until there is room for a unit.

        `say` hears that Ray starts, which may take a minute, and of nodes of a cluster that may still be joining; these
        are waited for `join_s` seconds, with address `head` for as long as it takes. `announce` is given the address
        (HOST:PORT) and token of such a head before. `brief`: units last less than a second, and go to Ray's actors
        without Ray Tune (`sweep.execution.brief_units`). Raises ExecutorError when this process has started Ray already,
        or another thread's study has, which then stays as it is, when there is no cluster at the address, or no machine
        that can take a unit. Warns of a cluster that asks for no token.
        """
        if not _in_use.acquire(blocking=False):
            raise ExecutorError(
                "another study runs in this process, which can hold one at a time, or lost its Ray here; run this one "
                "after it, or in another process"
            )
        try:
            _check_ray_is_ours_to_start()
            begins = address in ("local", HEAD)
            say("starting Ray" if begins else f"joining the Ray cluster at {address}")
            try:
                start_ray(address)
                if not begins:
                    warn_of_open_doors(address)
                if address == HEAD:
                    join_s = math.inf
                    if announce is not None:
                        announce(*door_of_this_head())
                from sweep.execution.slots import await_slots

                slots = await_slots(resources, address, say, join_s=join_s)
            except BaseException:
                stop_ray()
                raise
        except BaseException:
            _in_use.release()
            raise
        return cls(resources, slots, say, trainable, brief=brief)

    def run(
        self, coordinator: Coordinator, unit_config: UnitConfig, folder: Path, on_tick: Callable[[], None]
    ) -> None:
        """Run units until the study is over or halted, see `sweep.execution.tuner` and `sweep.execution.brief_units`.

        When Ray dies, on this machine or with its head, the study is halted with that reason.
        """
        from sweep.execution.brief_units import BriefUnits
        from sweep.execution.ray_watch import RayWatch
        from sweep.execution.tune_thread import TuneThread
        from sweep.execution.tuner import run_units
        from sweep.worker.trainable import UnitTrainable

        def loop(tick: Callable[[], None]) -> None:
            trainable = self._trainable or UnitTrainable
            if self._brief:
                BriefUnits(coordinator, self._resources, unit_config, tick, trainable, self.slots).run()
                return
            run_units(coordinator, self._resources, unit_config, folder, tick, trainable, self.slots)

        thread = TuneThread(loop, on_tick)
        watch = RayWatch(self._say).start()
        try:
            thread.run(watch.trouble, partial(coordinator.halt, at_once=True))
        finally:
            answers = watch.close()
            self._ray_is_gone = thread.left_behind or not answers

    def stop(self) -> None:
        """Leave the cluster; a Ray that was started here ends. May be called again, which does nothing.

        A Ray that is gone cannot be left in order: what was started here is killed, and this process can start no other.
        """
        if self._stopped:
            return
        self._stopped = True
        if self._ray_is_gone:
            abandon_ray()
            return
        try:
            stop_ray()
        finally:
            _in_use.release()


def _check_ray_is_ours_to_start() -> None:
    # Not imported here: Ray reads its environment when it is, which is set later.
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        raise ExecutorError(
            "this process has started Ray already, and a study starts its own; call ray.shutdown() before, or run the "
            "study in another process"
        )
