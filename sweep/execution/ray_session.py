"""Ray in the driver's process: started here or connected to, used for one study, and left in good order.

Ray is imported, and its environment set, when a session starts and not before.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import math
import os
import socket
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, cast

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_doors import (
    AUTH_TOKEN,
    RayDoors,
    check_token_is_wanted,
    ray_folder,
    warn_of_open_doors,
)
from sweep.execution.room import no_room, units_on
from sweep.study.coordinator import Coordinator, UnitConfig

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.job_config import JobConfig
    from ray.tune import Trainable

    from sweep.execution.slots import Slots

ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_FORCE_TRIAL_CLEANUP_S": "5",
    "TUNE_GLOBAL_CHECKPOINT_S": "600",
    "TUNE_MAX_PENDING_TRIALS_PG": "10000",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_TRAIN_V2_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray would end this process when its head has been away for a minute, in C++ and without a word to Python.
    "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""What Ray and Tune read of the environment, when they are imported or started."""
JOIN_S = 180.0
HEAD = "head"
"""The address of a Ray that is started here for machines that come by themselves (`sweep.execution.head_file`)."""
_in_use = threading.Lock()
"""Held by the session that starts or has Ray in this process, where there can be one."""
_doors: RayDoors | None = None
"""What `start_ray` changed, and `stop_ray` changes back."""


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
                        announce(*_door_of_this_head())
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


def prepare_ray() -> None:
    """Set the environment of Ray and Tune, and keep this process's keys out of the workers'. Imports Ray.

    Tune would put the driver's keys into each worker's runtime environment, which Ray writes to its logs and shows in
    the process list. Workers have their own: what Ray was started with on their node, or the machine's role.
    """
    os.environ.update(ENVIRONMENT)
    from ray.tune.execution import class_cache

    keys = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if "AWS_" in name}
    class_cache.ENV_VARS_TO_PROPAGATE -= keys


def check_machine(resources: ResourcesConfig) -> None:
    """Raise ExecutorError when this machine has no room for a unit, before Ray is started here. Imports Ray."""
    machine = machine_resources()
    if not units_on(machine, resources):
        raise ExecutorError(no_room(resources, machine, "this machine"))


def machine_resources() -> Mapping[str, float]:
    """List what Ray will count here when it is started: `CPU`, `GPU` if there is one, and others. Imports Ray."""
    prepare_ray()
    from ray._private.resource_and_label_spec import ResourceAndLabelSpec

    counted = ResourceAndLabelSpec(num_cpus=processors(), num_gpus=gpu_slices()).resolve(
        is_head=True, node_ip_address="127.0.0.1"
    )
    resources: dict[str, Any] = counted.to_resource_dict()
    return resources


def processors() -> int:
    """Count the processors that this process may use: Ray itself counts all of the machine's, or its container's.

    Of a SLURM job those that it was given, which not every site confines it to. Imports Ray.
    """
    from ray._private.utils import get_num_cpus

    of_the_job = os.environ.get("SLURM_CPUS_ON_NODE", "")
    given = [int(of_the_job)] if of_the_job.isdigit() else []
    return min(int(get_num_cpus()), len(os.sched_getaffinity(0)), *given)


def gpu_slices() -> int | None:
    """Count the slices of GPUs (MIG) that CUDA_VISIBLE_DEVICES names; None where it names none, and Ray counts right.

    Ray asks the driver, for which a GPU that is cut into seven slices is one.
    """
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
    return sum(name.strip().startswith("MIG-") for name in named) or None


def start_ray(address: str) -> None:
    """Connect to the cluster at `address` (`auto`: the one this machine belongs to), or start Ray here.

    A Ray that is started here as `local` listens on the loopback interface alone and lets nobody else in; as `head` it
    is met at this machine's address with the token of its own, and offers no CPUs to units, see
    `sweep.execution.ray_doors`. Raises ExecutorError when there is no cluster at the address, or one is to be joined
    without a token (RAY_AUTH_MODE=disabled).
    """
    global _doors
    if address.startswith("ray://"):
        raise ExecutorError(
            f"address {address}: a study holds its state in the driver, so it cannot run through Ray Client; "
            "run it on a node of the cluster with address auto"
        )
    begins = address in ("local", HEAD)
    if not begins:
        check_token_is_wanted(address)
    prepare_ray()
    import ray
    from ray.exceptions import AuthenticationError

    _doors = RayDoors()
    own: dict[str, Any] = {}
    if begins:
        own = {"include_dashboard": False, "_temp_dir": ray_folder()}
    if address == "local":
        own |= {"num_cpus": processors(), "num_gpus": gpu_slices()}
        _doors.shut()
    elif address == HEAD:
        own |= {"num_cpus": 0, "num_gpus": 0}
        _doors.guard()
    try:
        _check_someone_listens(address)
        ray.init(
            address="local" if begins else address,
            log_to_driver=False,
            logging_level=logging.ERROR,
            job_config=_job_config(),
            **own,
        )
    except AuthenticationError as error:
        raise ExecutorError(
            f"address {address}: the cluster wants its token, and there is none here; copy the head's "
            "~/.ray/auth_token to this user's"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        if begins:
            reason = str(error).partition("\n")[0]
            raise ExecutorError(f"Ray does not start on this machine: {reason}") from error
        raise ExecutorError(
            f"address {address}: no Ray cluster answers there, or not to the token that is here "
            "(~/.ray/auth_token); start one with `ray start --head`, or leave the address out to run on this machine"
        ) from error


def _door_of_this_head() -> tuple[str, str]:
    import ray

    return ray.get_runtime_context().gcs_address, os.environ[AUTH_TOKEN]


def _job_config() -> JobConfig:
    """Let workers look for modules where ours are, and not in the working directory nor in the folder of the script.

    Ray puts both first on the workers' path, where a user's data.py or model.py would be imported in place of ours.
    """
    from ray.job_config import JobConfig

    class OwnCode(JobConfig):
        def _runtime_env_has_working_dir(self) -> bool:
            # Only a job that says so is spared the two folders.
            return True

    return OwnCode(_py_driver_sys_path=[str(Path(__file__).resolve().parents[2])])


def stop_ray() -> None:
    """Leave the cluster; a Ray that `start_ray` started here ends. Who may reach a Ray of this process is as before.

    Ray ends this process when a reference to an object or actor is let go while its core worker is taken down, and the
    garbage of Tune holds such. Another thread may collect it at any moment, so it is collected here before.
    """
    global _doors
    import ray

    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(Exception):
            ray.shutdown()
    finally:
        if collects:
            gc.enable()
        if _doors is not None:
            _doors.restore()
            _doors = None


def abandon_ray() -> None:
    """Kill what of Ray was started here, and see to it that this process can end, with status 75.

    At the end of a process Ray takes leave of its head and its node, and waits for an answer that would never come.
    """
    # Ray brings it along.
    import psutil  # pyright: ignore[reportMissingModuleSource]
    from ray._private import worker

    # What is registered last is run first.
    atexit.register(_end_this_process)
    node = cast("Node | None", worker._global_node)
    if node is None:
        return
    family: list[psutil.Process] = []
    for started in [info.process.pid for infos in node.all_processes.values() for info in infos]:
        with contextlib.suppress(psutil.NoSuchProcess):
            family += psutil.Process(started).children(recursive=True)
    node.kill_all_processes(check_alive=False, allow_graceful=True)
    # Agents whose node was killed wait a minute for the head.
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


def _end_this_process() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(os.EX_TEMPFAIL)


def _check_ray_is_ours_to_start() -> None:
    # Not imported here: Ray reads its environment when it is, which is set later.
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        raise ExecutorError(
            "this process has started Ray already, and a study starts its own; call ray.shutdown() before, or run the "
            "study in another process"
        )


def _check_someone_listens(address: str) -> None:
    # Ray itself tries for minutes before it gives up an address.
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()
