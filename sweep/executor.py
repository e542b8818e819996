"""Runs a study's units with Ray Tune, on this machine or on a cluster."""

from __future__ import annotations

import contextlib
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

from sweep.board import Configuration
from sweep.pruning import EpochPruning
from sweep.search import BoardSearcher
from sweep.study import Study
from sweep.unit import UnitTrainable


class ExecutorError(RuntimeError):
    """The machines cannot run the study as asked."""


def start_ray(address: str) -> None:
    """Connect to the cluster at `address` (`auto`: the one this machine belongs to), or start Ray here (`local`).

    Raises ExecutorError when there is no cluster at the address.
    """
    try:
        _check_someone_listens(address)
        ray.init(
            address=None if address == "local" else address,
            include_dashboard=False if address == "local" else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except OSError as error:
        raise ExecutorError(
            f"--address {address}: no Ray cluster answers there ({error}); start one with `ray up cluster.yaml` "
            "or `ray start --head`, or leave --address out to run on this machine"
        ) from error


def concurrent_units(resources: ResourcesConfig) -> int:
    """How many units fit into the cluster as it is now. Raises ExecutorError when not even one does."""
    if resources.concurrent is not None:
        return resources.concurrent
    have = ray.cluster_resources()
    fits = [have.get("CPU", 0) / resources.cpu]
    if resources.gpu:
        fits.append(have.get("GPU", 0) / resources.gpu)
    if min(fits) < 1:
        raise ExecutorError(
            f"a unit needs {resources.cpu:g} CPU and {resources.gpu:g} GPU; the cluster has "
            f"{have.get('CPU', 0):g} CPU and {have.get('GPU', 0):g} GPU: change resources in the study file"
        )
    return int(min(fits))


def run_units(
    study: Study,
    resources: ResourcesConfig,
    unit_config: Callable[[Configuration, int], dict[str, Any]],
    folder: Path,
    on_tick: Callable[[], None],
) -> None:
    """Run units until the study is over. `on_tick` is called between Ray's events, several times a second.

    Ray must have been started. `folder` takes Ray Tune's own bookkeeping, which respsweep does not read back.
    """
    bundle: dict[str, float] = {"CPU": resources.cpu}
    if resources.gpu:
        bundle["GPU"] = resources.gpu
    scheduler = EpochPruning(study)
    tuner = tune.Tuner(
        tune.with_resources(UnitTrainable, tune.PlacementGroupFactory([bundle])),
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
            failure_config=tune.FailureConfig(max_failures=resources.max_failures),
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            callbacks=[_Ticker(on_tick)],
            verbose=0,
        ),
    )
    # Failures are on the board, with their reason.
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    tuner.fit()


def stop_ray() -> None:
    """Leave the cluster; a Ray that `start_ray` started here ends."""
    with contextlib.suppress(Exception):
        ray.shutdown()


def _check_someone_listens(address: str) -> None:
    # Ray itself tries for minutes before it gives up an address.
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host, int(port)), timeout=5).close()


class _Ticker(tune.Callback):
    def __init__(self, on_tick: Callable[[], None]) -> None:
        self._on_tick = on_tick

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        self._on_tick()

    def __getstate__(self) -> dict[str, Any]:
        return {}
