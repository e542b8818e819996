"""Runs a study's units with Ray Tune, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sweep.config import ResourcesConfig

# Read by ray when it is imported.
os.environ.update(
    {
        "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        "TUNE_FORCE_TRIAL_CLEANUP_S": "5",
        "TUNE_GLOBAL_CHECKPOINT_S": "600",
        "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
        "RAY_AIR_NEW_OUTPUT": "0",
        "RAY_TRAIN_V2_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
)

import ray
from ray import tune

from sweep.pruning import EpochPruning
from sweep.search import BoardSearcher
from sweep.study import Study
from sweep.unit import UnitTrainable
from sweep.units import Configuration


class ExecutorError(RuntimeError):
    """The machines cannot run the study as asked."""


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
    except (OSError, ValueError, RuntimeError) as error:
        raise ExecutorError(
            f"--address {address}: no Ray cluster answers there; start one with `ray start --head`, "
            "or leave --address out to run on this machine"
        ) from error


def concurrent_units(resources: ResourcesConfig) -> int:
    """How many units run at a time: as many as fit on the nodes as they are now, or fewer if the study says so.

    Raises ExecutorError when no node can take even one.
    """
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    fit = sum(_units_on(node, resources) for node in nodes)
    if fit == 0:
        largest = max(nodes, key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)))
        raise ExecutorError(
            f"a unit needs {resources.cpu:g} CPU and {resources.gpu:g} GPU on one machine; the largest here has "
            f"{largest.get('CPU', 0):g} CPU and {largest.get('GPU', 0):g} GPU: change resources in the study file"
        )
    return min(resources.concurrent or fit, fit)


def run_units(
    study: Study,
    resources: ResourcesConfig,
    unit_config: Callable[[Configuration, int], dict[str, Any]],
    folder: Path,
    on_tick: Callable[[], None],
    trainable: type[tune.Trainable] = UnitTrainable,
) -> None:
    """Run units until the study is over or halted. `on_tick` is called between Ray's events, several times a second.

    Ray must have been started. A unit that loses its worker comes back through the study, not through Tune's own
    retries, so that it makes no difference whether the worker died or the driver. `folder` takes Ray Tune's own
    bookkeeping, which respsweep does not read back.
    """
    bundle: dict[str, float] = {"CPU": resources.cpu}
    if resources.gpu:
        bundle["GPU"] = resources.gpu
    scheduler = EpochPruning(study)
    tuner = tune.Tuner(
        tune.with_resources(trainable, tune.PlacementGroupFactory([bundle])),
        tune_config=tune.TuneConfig(
            search_alg=BoardSearcher(study, unit_config, scheduler.deaths),
            scheduler=scheduler,
            num_samples=-1,
            max_concurrent_trials=concurrent_units(resources),
            reuse_actors=True,
            trial_name_creator=lambda trial: trial.trial_id,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(folder.absolute()),
            stop=_Halt(study),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[_Ticker(study, on_tick)],
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


def _units_on(node: dict[str, float], resources: ResourcesConfig) -> int:
    by_cpu = node.get("CPU", 0) / resources.cpu
    return int(min(by_cpu, node.get("GPU", 0) / resources.gpu) if resources.gpu else by_cpu)


def _check_someone_listens(address: str) -> None:
    # Ray itself tries for minutes before it gives up an address.
    host, colon, port = address.rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


class _Halt(tune.Stopper):
    """Ends Tune's loop when the study is halted."""

    def __init__(self, study: Study) -> None:
        self._study = study

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self._study.halted is not None

    def __getstate__(self) -> dict[str, Any]:
        return {}


class _Ticker(tune.Callback):
    def __init__(self, study: Study, on_tick: Callable[[], None]) -> None:
        self._study = study
        self._on_tick = on_tick

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        with self._study.halting_on_full_disk():
            self._study.place(trial.config["configuration"], trial.config["seed"])

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._on_tick()

    def __getstate__(self) -> dict[str, Any]:
        return {}
