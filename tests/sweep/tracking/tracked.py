"""A study's events on their way to MLflow, and what is found there afterwards."""

import time
from collections.abc import Sequence
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.tracking.messages import Target
from sweep.tracking.writer import Writer
from tests.sweep import histories
from tests.sweep.histories import timed

EPOCHS = 4
STARTED = StudyStarted((1, 2))


def epoch(number: int, score: float) -> dict[str, Any]:
    logged = {"train_loss": 2 - score, "seconds": 1.0, "confusion": [[1, 0], [0, 1]]}
    return histories.epoch(number, score, sensitivity=0.2, specificity=0.8, **logged)


def trained(configuration: int, seed: int, score: float) -> list[Event]:
    """A unit that reaches `score` in its last epoch, coming from 0.1 an epoch below."""
    curve = [epoch(number, score - 0.1 * (EPOCHS - number)) for number in range(1, EPOCHS + 1)]
    reports = [EpochReported(configuration, seed, report) for report in curve]
    return [UnitStarted(configuration, seed), *reports, UnitFinished(configuration, seed, EPOCHS)]


STUDY = timed(
    STARTED,
    ConfigurationAdded(0, {"patch_mix.temperature": 0.2, "smoothing.stage": None}),
    *trained(0, 1, 0.5),
    *trained(0, 2, 0.7),
    ConfigurationAdded(1, {"patch_mix.temperature": 0.06, "smoothing.stage": 1}),
    *[UnitStarted(1, 1), EpochReported(1, 1, epoch(1, 0.3)), UnitPruned(1, 1, "pruned at epoch 1")],
    ConfigurationAdded(2, {"patch_mix.temperature": 0.5, "smoothing.stage": None}),
    *[UnitStarted(2, 1), UnitFailed(2, 1, "TrainingError: the loss is NaN\nTraceback")],
)


def target(uri: str, experiment: str, past: Sequence[Event] = ()) -> Target:
    """A target whose writer is not kept waiting, neither for further events nor before it asks again."""
    return Target(uri, experiment, None, experiment, tuple(past), {}, gather_s=0.05, retry_after_s=0.05)


def writer(uri: str, experiment: str, past: Sequence[Event] = ()) -> Writer:
    return Writer(target(uri, experiment, past))


def follow(uri: str, experiment: str, past: list[Event], events: list[Event]) -> None:
    tracking = writer(uri, experiment, past)
    for event in events:
        tracking(event)
    tracking.close()


def runs_of(uri: str, experiment: str) -> dict[str, Run]:
    client = MlflowClient(uri)
    found = client.get_experiment_by_name(experiment)
    assert found is not None
    runs = client.search_runs([found.experiment_id], max_results=500)
    names = [run.info.run_name for run in runs]
    assert len(names) == len(set(names)), f"a run was doubled: {sorted(map(str, names))}"
    return {str(run.info.run_name): run for run in runs}


def curve_of(uri: str, run: Run, metric: str) -> list[tuple[int, Any]]:
    history = MlflowClient(uri).get_metric_history(run.info.run_id, metric)
    return [
        (point.step, pytest.approx(point.value)) for point in sorted(history, key=lambda point: point.step)
    ]


def wait_for_trouble(tracking: Writer, reason: str = "") -> None:
    """Return once a request of the writer has failed, with an error that names `reason`."""
    deadline = time.monotonic() + 60
    while (trouble := tracking._trouble) is None or reason not in str(trouble):
        assert time.monotonic() < deadline
        time.sleep(0.02)
