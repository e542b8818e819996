"""The Ray of this process: started here or connected to, and left in good order, or given up when it is gone.

Ray is imported, and its environment set, when it starts and not before.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import logging
import os
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sweep.execution.errors import ExecutorError
from sweep.execution.ray_doors import AUTH_TOKEN, RayDoors, check_token_is_wanted, ray_folder
from sweep.execution.ray_environment import prepare_ray
from sweep.execution.this_machine import gpu_slices, processors

if TYPE_CHECKING:
    from ray._private.node import Node
    from ray.job_config import JobConfig

HEAD = "head"
"""The address of a Ray that is started here for machines that come by themselves (`sweep.execution.head_file`)."""
_doors: RayDoors | None = None
"""What `start_ray` changed, and `stop_ray` changes back."""


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


def door_of_this_head() -> tuple[str, str]:
    """Address (HOST:PORT) and token of the Ray that `start_ray` has started here as `head`."""
    import ray

    return ray.get_runtime_context().gcs_address, os.environ[AUTH_TOKEN]


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


def _check_someone_listens(address: str) -> None:
    # Ray itself tries for minutes before it gives up an address.
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


def _end_this_process() -> None:
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(os.EX_TEMPFAIL)
