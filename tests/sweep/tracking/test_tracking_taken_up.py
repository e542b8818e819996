"""What a driver did not send to MLflow before it ended, the next driver sends; nothing is lost or there twice."""

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient

import sweep.tracking.runs
import sweep.tracking.writer
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    StudyStarted,
    StudyStopped,
    UnitFinished,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.study.units import unit_id
from tests.sweep.histories import timed
from tests.sweep.tracking.tracked import STARTED, STUDY, epoch, follow, runs_of, trained, writer

TAKEN_UP_TWICE = timed(
    *[STARTED, ConfigurationAdded(0, {"patch_mix.temperature": 0.2}), *trained(0, 1, 0.5)],
    *[UnitStarted(0, 2), EpochReported(0, 2, epoch(1, 0.6)), UnitLost(0, 2, "the node died")],
    *[ConfigurationAdded(1, {"patch_mix.temperature": 0.5}), UnitStarted(1, 1), UnitPruned(1, 1, "low")],
    *[StudyStopped("interrupted"), STARTED],
    *[UnitStarted(0, 2), EpochReported(0, 2, epoch(2, 0.7)), UnitFinished(0, 2, 2)],
    *[StudyStopped("complete"), StudyStarted((1, 2, 3))],
    *[ConfigurationAdded(2, {"patch_mix.temperature": 0.3}), *trained(2, 1, 0.4)],
    *[ConfigurationDropped(2, "cannot win"), *trained(0, 3, 0.9), StudyStopped("complete")],
)


def picture_of(uri: str, experiment: str) -> dict[str, object]:
    """All that the runs of a study show, with every row of every curve."""
    client, runs, picture = MlflowClient(uri), runs_of(uri, experiment), {}
    names = {run.info.run_id: name for name, run in runs.items()}
    for name, run in runs.items():
        tags = {**run.data.tags, "parent": names.get(run.data.tags.get("mlflow.parentRunId", ""))}
        assert tags.pop("respsweep.key") == f"{tags.pop('respsweep.study')}/{name}"
        tags.pop("mlflow.parentRunId", None)
        rows = {
            metric: sorted((row.step, row.value, row.timestamp) for row in history)
            for metric in run.data.metrics
            if (history := client.get_metric_history(run.info.run_id, metric))
        }
        picture[name] = (run.info.status, run.info.start_time, run.info.end_time, run.data.params, tags, rows)
    return picture


@pytest.fixture(scope="module")
def undisturbed(database: str) -> dict[str, object]:
    follow(database, "undisturbed", [], TAKEN_UP_TWICE)
    picture = picture_of(database, "undisturbed")
    statuses = {name: run.info.status for name, run in runs_of(database, "undisturbed").items()}
    units = {unit_id(0, seed): "FINISHED" for seed in (1, 2, 3)} | {unit_id(2, 1): "FINISHED"}
    # Configurations that were given up have ended as they should.
    configurations = {f"configuration {number}": "FINISHED" for number in range(3)}
    assert statuses == {**configurations, **units, unit_id(1, 1): "KILLED"}
    return picture


@pytest.mark.parametrize("cut", range(1, len(TAKEN_UP_TWICE), 3))
def test_a_study_that_was_taken_up_again_looks_like_one_that_never_stopped(
    database: str, undisturbed: dict[str, object], cut: int
) -> None:
    experiment = f"cut {cut}"
    follow(database, experiment, [], TAKEN_UP_TWICE[:cut])
    follow(database, experiment, TAKEN_UP_TWICE[:cut], TAKEN_UP_TWICE[cut:])
    assert picture_of(database, experiment) == undisturbed


@pytest.mark.parametrize("written", [0, 10, 19])
def test_what_mlflow_missed_until_the_driver_ended_is_sent_when_the_study_is_taken_up(
    database: str, undisturbed: dict[str, object], written: int
) -> None:
    """Configuration 0 is complete after 19 events, and again at the end, with a further seed."""
    experiment = f"missed from {written}"
    follow(database, experiment, [], TAKEN_UP_TWICE[:written])
    follow(database, experiment, TAKEN_UP_TWICE, [])
    assert picture_of(database, experiment) == undisturbed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_driver_that_is_killed_after_any_request_leaves_no_run_twice_and_none_running(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupted = TAKEN_UP_TWICE[:15]
    follow(database, "not killed", [], interrupted)
    expected = picture_of(database, "not killed")
    made, life = 0, 0

    def last_at_the_end_of_life(name: str) -> Callable[..., object]:
        method = getattr(MlflowClient, name)

        def call(*args: object, **kwargs: object) -> object:
            nonlocal made
            answer = method(*args, **kwargs)
            made += 1
            if made > life:
                raise SystemExit
            return answer

        return call

    survived = False
    while not survived:
        made = 0
        # Otherwise the writer's maker searches for the runs of a study that was renamed.
        MlflowClient(database).create_experiment(f"killed {life}")
        with monkeypatch.context() as patch:
            for name in ("create_run", "log_batch", "set_terminated", "update_run", "search_runs"):
                patch.setattr(MlflowClient, name, last_at_the_end_of_life(name))
            follow(database, f"killed {life}", interrupted, [])
        survived = made <= life
        follow(database, f"killed {life}", interrupted, [])
        assert picture_of(database, f"killed {life}") == expected
        life += 1
    # Two searches, then three requests for each of two configurations and three units.
    assert life == 18


def test_a_study_goes_on_although_its_server_is_away_and_sends_everything_when_it_is_back(
    database: str, undisturbed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    find, refused = sweep.tracking.writer._find_or_create, []

    def away_at_first(*arguments: Any) -> str:
        if len(refused) < 3:
            refused.append(1)
            raise ConnectionRefusedError(111, "Connection refused")
        return find(*arguments)

    monkeypatch.setattr(sweep.tracking.writer, "_find_or_create", away_at_first)
    half = len(TAKEN_UP_TWICE) // 2
    tracking = writer(database, "away", TAKEN_UP_TWICE[:half])
    assert tracking.away == f"tracking server {database}: no answer (Connection refused)"
    for event in TAKEN_UP_TWICE[half:]:
        tracking(event)
    tracking.close()
    assert len(refused) == 3
    assert picture_of(database, "away") == undisturbed


def test_runs_that_are_there_to_their_end_are_left_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(database, "alone", [], STUDY)
    names = {run.info.run_id: name for name, run in runs_of(database, "alone").items()}
    further = [*STUDY, *timed(ConfigurationAdded(3, {"patch_mix.temperature": 0.1}), UnitStarted(3, 1))]
    written: list[str | None] = []
    log_batch = MlflowClient.log_batch

    def noted(self: MlflowClient, run_id: str, *args: object, **kwargs: object) -> object:
        written.append(names.get(run_id))
        return log_batch(self, run_id, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "log_batch", noted)
    # The runs come in pages.
    monkeypatch.setattr(sweep.tracking.runs, "PAGE", 2)
    follow(database, "alone", further, [])
    assert written == [None, None]
    assert set(runs_of(database, "alone")) == {*names.values(), "configuration 3", unit_id(3, 1)}


def test_what_a_driver_that_died_had_not_told_of_a_configuration_that_was_over_is_told_and_moves_no_end(
    database: str,
) -> None:
    stopped = timed(*STUDY, StudyStopped("over"))
    follow(database, "untold", [], stopped[:-1])
    before = runs_of(database, "untold")["configuration 0"]
    follow(database, "untold", stopped, [])
    best = runs_of(database, "untold")["configuration 0"]
    assert "respsweep.best" not in before.data.tags
    assert best.data.tags["respsweep.best"] == "of 3"
    assert (best.info.start_time, best.info.end_time) == (before.info.start_time, before.info.end_time)


def test_a_run_that_somebody_deleted_does_not_come_back(database: str) -> None:
    follow(database, "no return", [], STUDY[:4])
    MlflowClient(database).delete_run(runs_of(database, "no return")[unit_id(0, 1)].info.run_id)
    follow(database, "no return", STUDY, [])
    assert unit_id(0, 1) not in runs_of(database, "no return")
