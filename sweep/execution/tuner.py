"""Runs a study's units with Ray Tune, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.config.study_config import ResourcesConfig

# Read by ray when it is imported.
os.environ.update(
    {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_FORCE_TRIAL_CLEANUP_S": "5",
        "TUNE_GLOBAL_CHECKPOINT_S": "600",
        "TUNE_MAX_PENDING_TRIALS_PG": "10000",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_TRAIN_V2_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
)

import ray
from ray import tune
from ray.exceptions import AuthenticationError
from ray.tune.execution import class_cache

from sweep.execution.errors import ExecutorError
from sweep.execution.scheduler import EpochPruning
from sweep.execution.searcher import BoardSearcher
from sweep.execution.slots import Slots, bundle, described, nodes
from sweep.study.coordinator import Coordinator
from sweep.study.units import Configuration
from sweep.worker.trainable import UnitTrainable

# Tune would put the driver's keys into each worker's runtime environment, which Ray writes to its logs and shows in the
# process list. Workers have their own: what Ray was started with on their node, or the machine's role.
class_cache.ENV_VARS_TO_PROPAGATE -= {name for name in class_cache.ENV_VARS_TO_PROPAGATE if "AWS_" in name}
JOIN_S = 180.0
"""How long a driver waits for a node that can take a unit."""


def start_ray(address: str) -> None:
    """Connect to the cluster at `address` (`auto`: the one this machine belongs to), or start Ray here (`local`).

    Raises ExecutorError when there is no cluster at the address.
    """
    if address.startswith("ray://"):
        raise ExecutorError(
            f"--address {address}: a study holds its state in the driver, so it cannot run through Ray Client; "
            "run it on a node of the cluster with --address auto"
        )
    try:
        _check_someone_listens(address)
        ray.init(
            address=address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except AuthenticationError as error:
        raise ExecutorError(
            f"--address {address}: the cluster wants its token, and there is none here; copy the head's "
            "~/.ray/auth_token to this user's"
        ) from error
    except (OSError, ValueError, RuntimeError) as error:
        raise ExecutorError(
            f"--address {address}: no Ray cluster answers there, or not to the token that is here "
            "(~/.ray/auth_token); start one with `ray start --head`, or leave --address out to run on this machine"
        ) from error


def await_slots(resources: ResourcesConfig, address: str, say: Callable[[str], None]) -> Slots:
    """How many units run at a time, once there is room for one.

    Nodes of a cluster may still be joining: where none is to come later, it waits `JOIN_S` seconds for the first that
    can take a unit. Raises ExecutorError when none can.
    """
    slots = Slots(resources, address)
    deadline = time.monotonic() + (0.0 if address == "local" else JOIN_S)
    told = False
    while not slots():
        if time.monotonic() >= deadline:
            largest = max(nodes(), key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)), default={})
            raise ExecutorError(
                f"a unit needs {described(bundle(resources))} on one machine; the largest here has "
                f"{largest.get('CPU', 0):g} CPU and {largest.get('GPU', 0):g} GPU: change resources in the study file"
                + (
                    ""
                    if address == "local"
                    else ", or, where an autoscaler adds nodes, set resources.concurrent"
                )
            )
        if not told:
            say(f"waiting for a node with {described(bundle(resources))}")
            told = True
        _pause()
    return slots


def _pause() -> None:
    """A second. Raises ExecutorError when Ctrl-C or SIGTERM come meanwhile, of which Ray would make a crash."""
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        raise ExecutorError("stopped while it waited for a node; nothing has run") from None
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def run_units(
    coordinator: Coordinator,
    resources: ResourcesConfig,
    unit_config: Callable[[Configuration, int], dict[str, Any]],
    folder: Path,
    on_tick: Callable[[], None],
    trainable: type[tune.Trainable] = UnitTrainable,
    slots: Callable[[], int] | None = None,
) -> None:
    """Run units, at most `slots` at a time (None: as many as fit), until the study is over or halted.

    `on_tick` is called between Ray's events, several times a second.

    Ray must have been started. A unit that loses its worker comes back through the study, not through Tune's own
    retries, so that it makes no difference whether the worker died or the driver. `folder` takes Ray Tune's own
    bookkeeping, which respsweep does not read back.
    """
    scheduler = EpochPruning(coordinator)
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([bundle(resources)])),
        tune_config=tune.TuneConfig(
            search_alg=BoardSearcher(
                coordinator, unit_config, scheduler.losses, slots or Slots(resources), on_tick
            ),
            scheduler=scheduler,
            num_samples=-1,
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder.absolute()),
            stop=_Halt(coordinator),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[_Ticker(coordinator, on_tick)],
            verbose=0,
        ),
    )
    # Failures are on the board, with their reason.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    tuner.fit()


def stop_ray() -> None:
    """Leave the cluster; a Ray that `start_ray` started here ends.

    Ray ends this process when a reference to an object or actor is let go while its core worker is taken down, and the
    garbage of Tune holds such. Another thread may collect it at any moment, so it is collected here before.
    """
    collects = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        with contextlib.suppress(Exception):
            ray.shutdown()
    finally:
        if collects:
            gc.enable()


def _check_someone_listens(address: str) -> None:
    # Ray itself tries for minutes before it gives up an address.
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


class _Halt(tune.Stopper):
    """Ends Tune's loop when the study is halted."""

    def __init__(self, coordinator: Coordinator) -> None:
        self._coordinator = coordinator

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._coordinator.halted is not None

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Ticker(tune.Callback):
    def __init__(self, coordinator: Coordinator, on_tick: Callable[[], None]) -> None:
        self._coordinator = coordinator
        self._on_tick = on_tick

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._coordinator.halting_on_full_disk():
            self._coordinator.place(trial.config["configuration"], trial.config["seed"])

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._on_tick()

    def __getstate__(self) -> dict[str, Any]:
        return {}
