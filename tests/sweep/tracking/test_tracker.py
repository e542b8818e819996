"""MLflow in earnest: a real database, and a real server that is killed on the way."""

import contextlib
import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

import sweep.tracking.runs
import sweep.tracking.tracker
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.study.units import unit_id
from sweep.tracking.tracker import Tracker, TrackingError, database_uri
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


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep.tracking.tracker, "RETRY_AFTER_S", 0.05)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return database_uri(tmp_path_factory.mktemp("study"))


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


def test_a_study_is_an_experiment_with_a_run_for_each_configuration_and_unit(
    database: str, tmp_path: Path
) -> None:
    tracking = Tracker(database, "whole", tmp_path / "artifacts", "whole", [], {"respsweep.data_hash": "abc"})
    for event in STUDY:
        tracking(event)
    tracking.close()
    runs = runs_of(database, "whole")
    units = [unit_id(0, 1), unit_id(0, 2), unit_id(1, 1), unit_id(2, 1)]
    assert set(runs) == {"configuration 0", "configuration 1", "configuration 2", *units}
    assert {run.data.tags["respsweep.data_hash"] for run in runs.values()} == {"abc"}
    experiment = MlflowClient(database).get_experiment_by_name("whole")
    assert experiment is not None
    assert experiment.artifact_location == (tmp_path / "artifacts").as_uri()

    best = runs["configuration 0"]
    assert best.data.params == {"patch_mix.temperature": "0.2", "smoothing.stage": "None"}
    assert best.data.metrics["score_mean"] == pytest.approx(0.6)
    assert best.data.metrics["score_sd"] == pytest.approx(0.02**0.5)
    # Two seeds, 0.5 and 0.7: t(0.975, 1) = 12.706 times a standard error of 0.1.
    assert best.data.metrics["score_ci95_low"] == pytest.approx(0.6 - 1.2706, abs=1e-3)
    assert best.data.metrics["score_ci95_high"] == pytest.approx(0.6 + 1.2706, abs=1e-3)
    assert best.data.metrics["sensitivity_mean"] == pytest.approx(0.2)
    assert best.data.metrics["specificity_mean"] == pytest.approx(0.8)
    assert best.data.metrics["seeds"] == 2
    assert curve_of(database, best, "score_mean") == [(1, 0.5), (2, 0.6)]

    unit = runs[unit_id(0, 2)]
    assert unit.data.tags["mlflow.parentRunId"] == best.info.run_id
    assert unit.data.params["seed"] == "2"
    assert unit.data.params["patch_mix.temperature"] == "0.2"
    assert curve_of(database, unit, "score") == [(1, 0.4), (2, 0.5), (3, 0.6), (4, 0.7)]
    assert curve_of(database, unit, "train_loss") == [(1, 1.6), (2, 1.5), (3, 1.4), (4, 1.3)]
    assert unit.data.tags["respsweep.selected_epoch"] == "4"

    statuses = {name: run.info.status for name, run in runs.items()}
    assert {statuses["configuration 0"], statuses[unit_id(0, 1)], statuses[unit_id(0, 2)]} == {"FINISHED"}
    assert statuses["configuration 1"] == statuses[unit_id(1, 1)] == "KILLED"
    assert statuses["configuration 2"] == statuses[unit_id(2, 1)] == "FAILED"
    assert runs["configuration 2"].data.tags["respsweep.reason"] == "TrainingError: the loss is NaN"


def test_many_events_are_few_requests(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    all_queued = threading.Event()
    log_batch = MlflowClient.log_batch

    def counted(self: MlflowClient, run_id: str, *args: object, **kwargs: object) -> object:
        assert all_queued.wait(60)
        calls.append(run_id)
        return log_batch(self, run_id, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "log_batch", counted)
    tracking = Tracker(database, "many", None, "many", [], {})
    started: list[Event] = [STARTED, ConfigurationAdded(0, {"patch_mix.beta": 0.5}), UnitStarted(0, 1)]
    for event in timed(*started, *(EpochReported(0, 1, epoch(number, 0.5)) for number in range(1, 301))):
        tracking(event)
    all_queued.set()
    tracking.close()
    # At most: what was written while the events came, and the rest; each for two runs.
    assert len(calls) <= 4
    run = runs_of(database, "many")[unit_id(0, 1)]
    assert len(curve_of(database, run, "score")) == 300
    assert len(curve_of(database, run, "seconds")) == 300


def test_the_study_does_not_wait_for_mlflow(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = threading.Event()
    log_batch = MlflowClient.log_batch

    def hangs(self: MlflowClient, run_id: str, *args: object, **kwargs: object) -> object:
        assert answer.wait(60)
        return log_batch(self, run_id, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "log_batch", hangs)
    tracking = Tracker(database, "hangs", None, "hangs", [], {})
    for event in STUDY:
        tracking(event)
    # All events were taken while not one could be written.
    answer.set()
    tracking.close()
    assert runs_of(database, "hangs")["configuration 0"].info.status == "FINISHED"


def test_a_request_that_got_no_answer_is_not_done_twice(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server did what was asked, and the connection broke before it could say so: each time, once."""
    broken: set[tuple[str, str]] = set()

    def breaks_once(name: str) -> Callable[..., object]:
        method = getattr(MlflowClient, name)

        def call(self: MlflowClient, first: str, *args: object, **kwargs: object) -> object:
            answer = method(self, first, *args, **kwargs)
            what = name, str(args[-1]) if name == "create_run" else first
            if what not in broken:
                broken.add(what)
                raise MlflowException("the connection broke")
            return answer

        return call

    for name in ("create_run", "log_batch", "set_terminated"):
        monkeypatch.setattr(MlflowClient, name, breaks_once(name))
    tracking = Tracker(database, "broken", None, "broken", [], {})
    for event in STUDY:
        tracking(event)
    tracking.close()
    runs = runs_of(database, "broken")
    assert len(runs) == len([what for what in broken if what[0] == "create_run"]) == 7
    assert curve_of(database, runs[unit_id(0, 1)], "score") == [(1, 0.2), (2, 0.3), (3, 0.4), (4, 0.5)]
    assert runs[unit_id(0, 1)].data.tags["mlflow.parentRunId"] == runs["configuration 0"].info.run_id


def test_a_run_that_somebody_deleted_keeps_back_no_other(database: str) -> None:
    tracking = Tracker(database, "deleted", None, "deleted", [], {})
    for event in (STARTED, ConfigurationAdded(0, {"patch_mix.beta": 0.5})):
        tracking(event)
    client = MlflowClient(database)
    experiment = client.get_experiment_by_name("deleted")
    assert experiment is not None
    while not (runs := client.search_runs([experiment.experiment_id])):
        time.sleep(0.05)
    client.delete_run(runs[0].info.run_id)
    for event in timed(
        *trained(0, 1, 0.5), ConfigurationAdded(1, {"patch_mix.beta": 1.0}), *trained(1, 1, 0.6)
    ):
        tracking(event)
    with pytest.raises(
        TrackingError, match=r"MLflow misses some results \(.*; the study folder has them all"
    ):
        tracking.close()
    runs = runs_of(database, "deleted")
    assert set(runs) == {unit_id(0, 1), "configuration 1", unit_id(1, 1)}
    assert runs["configuration 1"].data.metrics["score_mean"] == pytest.approx(0.6)


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


def follow(uri: str, experiment: str, past: list[Event], events: list[Event]) -> None:
    tracking = Tracker(uri, experiment, None, experiment, past, {})
    for event in events:
        tracking(event)
    tracking.close()


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
    pruned = {"configuration 1": "KILLED", unit_id(1, 1): "KILLED"}
    assert statuses == {"configuration 0": "FINISHED", "configuration 2": "KILLED", **units, **pruned}
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
        with monkeypatch.context() as patch:
            for name in ("create_run", "log_batch", "set_terminated", "update_run", "search_runs"):
                patch.setattr(MlflowClient, name, last_at_the_end_of_life(name))
            follow(database, f"killed {life}", interrupted, [])
        survived = made <= life
        follow(database, f"killed {life}", interrupted, [])
        assert picture_of(database, f"killed {life}") == expected
        life += 1
    # A search, then three requests for each of two configurations and three units.
    assert life == 17


def test_runs_that_are_there_to_their_end_are_left_alone(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow(database, "alone", [], STUDY)
    names = {run.info.run_id: name for name, run in runs_of(database, "alone").items()}
    further = [*STUDY, *timed(ConfigurationAdded(3, {"patch_mix.temperature": 0.1}))]
    written: list[str | None] = []
    log_batch = MlflowClient.log_batch

    def noted(self: MlflowClient, run_id: str, *args: object, **kwargs: object) -> object:
        written.append(names.get(run_id))
        return log_batch(self, run_id, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(MlflowClient, "log_batch", noted)
    # The runs come in pages.
    monkeypatch.setattr(sweep.tracking.runs, "PAGE", 2)
    follow(database, "alone", further, [])
    assert written == [None]
    assert set(runs_of(database, "alone")) == {*names.values(), "configuration 3"}


def test_two_studies_of_one_name_share_an_experiment_but_no_run(database: str) -> None:
    for study_id in ("one", "two"):
        for past in ([], STUDY):
            Tracker(database, "shared", None, study_id, past, {}).close()
    client = MlflowClient(database)
    experiment = client.get_experiment_by_name("shared")
    assert experiment is not None
    for study_id in ("one", "two"):
        found = client.search_runs([experiment.experiment_id], f"tags.`respsweep.study` = '{study_id}'")
        assert len(found) == 7
        ids = {run.info.run_id for run in found}
        assert {run.data.tags.get("mlflow.parentRunId") for run in found} <= {*ids, None}


def test_a_run_that_a_hanging_server_created_after_all_is_taken_away(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_run, search_runs = MlflowClient.create_run, MlflowClient.search_runs
    late: list[tuple[Any, ...]] = []
    created: list[str] = []

    def no_answer_at_first(*args: Any) -> Run:
        if not late:
            late.append(args)
            raise MlflowException("the server does not answer")
        created.append(args[-1])
        return create_run(*args)

    def before_it_is_created(*args: Any, **kwargs: Any) -> Any:
        found = search_runs(*args, **kwargs)
        if not created:
            create_run(*late[0])
        return found

    monkeypatch.setattr(MlflowClient, "create_run", no_answer_at_first)
    monkeypatch.setattr(MlflowClient, "search_runs", before_it_is_created)
    follow(database, "late", [], STUDY)
    monkeypatch.undo()
    runs = runs_of(database, "late")
    assert sorted(runs) == sorted(created)
    assert runs["configuration 0"].info.status == "FINISHED"


def test_a_run_that_somebody_deleted_does_not_come_back(database: str) -> None:
    follow(database, "no return", [], STUDY[:4])
    MlflowClient(database).delete_run(runs_of(database, "no return")[unit_id(0, 1)].info.run_id)
    follow(database, "no return", STUDY, [])
    assert unit_id(0, 1) not in runs_of(database, "no return")


def test_neither_the_start_nor_the_end_waits_for_a_server_that_hangs(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, answer, answered = threading.Event(), threading.Event(), threading.Event()

    def hangs(*_: object, **__: object) -> None:
        asked.set()
        assert answer.wait(60)
        answered.set()

    monkeypatch.setattr(MlflowClient, "search_runs", hangs)
    tracking = Tracker(database, "hung", None, "hung", STUDY, {})
    assert asked.wait(60)
    with pytest.raises(TrackingError, match=r"MLflow misses some results \(no answer\)"):
        tracking.close(timeout_s=0)
    assert not answered.is_set()
    answer.set()


def test_events_that_cannot_be_are_reported_at_the_end(database: str) -> None:
    tracking = Tracker(database, "impossible", None, "impossible", [], {})
    tracking(UnitStarted(5, 1))
    with pytest.raises(TrackingError, match="there is no configuration 5"):
        tracking.close()


def test_a_database_that_was_removed_with_its_folder_is_made_anew_in_the_same_process(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    for study_id in ("first", "second"):
        folder.mkdir()
        tracking = Tracker(database_uri(folder), "again", None, study_id, [], {})
        for event in STUDY:
            tracking(event)
        tracking.close()
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as file:
            tags = file.execute("SELECT DISTINCT value FROM tags WHERE key = 'respsweep.study'").fetchall()
        assert tags == [(study_id,)]
        assert runs_of(database_uri(folder), "again")[unit_id(0, 1)].info.status == "FINISHED"
        shutil.rmtree(folder)


def test_what_a_broken_database_refuses_is_one_line_at_the_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tracking = Tracker(database_uri(tmp_path), "broken", None, "broken", [], {})
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as file:
        file.execute("ALTER TABLE runs RENAME TO elsewhere")
    tracking(STUDY[0])
    tracking(STUDY[1])
    with pytest.raises(TrackingError, match=r"MLflow misses some results \(.*no such table: runs"):
        tracking.close(0.2)
    assert capsys.readouterr() == ("", "")


def test_a_deleted_experiment_is_refused_by_name(database: str) -> None:
    client = MlflowClient(database)
    client.delete_experiment(client.create_experiment("gone"))
    with pytest.raises(
        TrackingError,
        match="the MLflow experiment gone was deleted; restore it, or give the study another name",
    ):
        Tracker(database, "gone", None, "gone", [], {})


def test_a_server_that_is_not_there_is_refused_at_once_in_one_line() -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(TrackingError) as refusal:
        Tracker(uri, "study", None, "study", [], {})
    assert str(refusal.value) == (
        f"tracking server {uri}: no answer (Connection refused); start it, name another one with --tracking-uri, "
        "or keep the runs in the study folder: --set tracking_uri=null"
    )


def test_a_study_goes_on_although_its_server_is_away_and_sends_everything_when_it_is_back(
    database: str, undisturbed: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    find, refused = sweep.tracking.tracker._find_or_create, []

    def away_at_first(*arguments: Any) -> str:
        if len(refused) < 3:
            refused.append(1)
            raise ConnectionRefusedError(111, "Connection refused")
        return find(*arguments)

    monkeypatch.setattr(sweep.tracking.tracker, "_find_or_create", away_at_first)
    half = len(TAKEN_UP_TWICE) // 2
    tracking = Tracker(database, "away", None, "away", TAKEN_UP_TWICE[:half], {})
    assert tracking.away == f"tracking server {database}: no answer (Connection refused)"
    for event in TAKEN_UP_TWICE[half:]:
        tracking(event)
    tracking.close()
    assert len(refused) == 3
    assert picture_of(database, "away") == undisturbed


@pytest.mark.parametrize("uri", ["http://", "ftp://example", "nonsense://here"])
def test_an_address_that_is_none_is_refused_in_one_line(uri: str) -> None:
    with pytest.raises(TrackingError, match=f"tracking server {uri}: ") as refusal:
        Tracker(uri, "study", None, "study", [], {})
    assert "\n" not in str(refusal.value)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


class Server:
    """An `mlflow server` on a free port of the loopback interface, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if it does not run already, and wait until it answers."""
        if self._process is not None:
            return
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--backend-store-uri", database_uri(self._folder)]
        command += ["--default-artifact-root", str(self._folder / "artifacts")]
        quiet = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self._folder / "server.log").open("ab") as output:
            # A session of its own, so that the server's workers can be killed with it.
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **quiet},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        for _ in range(600):
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            try:
                if requests.get(f"{self.uri}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture
def server(one_server: Server) -> Server:
    one_server.start()
    return one_server


def test_a_server_that_dies_on_the_way_loses_and_doubles_nothing(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger="sweep.tracking.tracker")
    tracking = Tracker(server.uri, "server", None, "server", [], {})
    for event in STUDY[:4]:
        tracking(event)
    while "configuration 0" not in runs_of(server.uri, "server"):
        time.sleep(0.1)
    server.kill()
    for event in STUDY[4:]:
        tracking(event)
    while not any("does not answer" in record.message for record in caplog.records):
        time.sleep(0.1)
    server.start()
    tracking.close()
    runs = runs_of(server.uri, "server")
    assert len(runs) == 7
    for seed, last in ((1, 0.5), (2, 0.7)):
        expected = [(number, last - 0.1 * (EPOCHS - number)) for number in range(1, EPOCHS + 1)]
        assert curve_of(server.uri, runs[unit_id(0, seed)], "score") == expected
    assert runs["configuration 0"].data.metrics["score_mean"] == pytest.approx(0.6)
    assert {runs[name].info.status for name in ("configuration 0", unit_id(0, 1))} == {"FINISHED"}


def test_a_server_that_stays_away_is_told_of_at_the_end(server: Server) -> None:
    tracking = Tracker(server.uri, "away", None, "away", [], {})
    server.kill()
    for event in STUDY:
        tracking(event)
    with pytest.raises(TrackingError) as loss:
        tracking.close(timeout_s=0.5)
    assert str(loss.value) == (
        "MLflow misses some results (Connection refused); the study folder has them all, and resuming the "
        "study sends them"
    )
    server.start()
    follow(server.uri, "away", STUDY, [])
    runs = runs_of(server.uri, "away")
    assert len(runs) == 7
    assert {run.info.status for run in runs.values()} == {"FINISHED", "KILLED", "FAILED"}
