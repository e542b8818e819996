"""Requests get no answer, and a real server is killed: nothing is lost or there twice."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sweep.study.units import unit_id
from sweep.tracking.tracker import TrackingError, database_uri
from tests.sweep.tracking.tracked import (
    EPOCHS,
    STUDY,
    curve_of,
    follow,
    runs_of,
    tracker,
    wait_for_trouble,
)


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
    tracking = tracker(database, "broken")
    for event in STUDY:
        tracking(event)
    tracking.close()
    runs = runs_of(database, "broken")
    assert len(runs) == len([what for what in broken if what[0] == "create_run"]) == 7
    assert curve_of(database, runs[unit_id(0, 1)], "score") == [(1, 0.2), (2, 0.3), (3, 0.4), (4, 0.5)]
    assert runs[unit_id(0, 1)].data.tags["mlflow.parentRunId"] == runs["configuration 0"].info.run_id


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


def test_a_server_that_dies_on_the_way_loses_and_doubles_nothing(server: Server) -> None:
    tracking = tracker(server.uri, "server")
    for event in STUDY[:4]:
        tracking(event)
    while "configuration 0" not in runs_of(server.uri, "server"):
        time.sleep(0.1)
    server.kill()
    for event in STUDY[4:]:
        tracking(event)
    wait_for_trouble(tracking)
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
    tracking = tracker(server.uri, "away")
    server.kill()
    for event in STUDY:
        tracking(event)
    wait_for_trouble(tracking, "Connection refused")
    with pytest.raises(TrackingError) as loss:
        tracking.close(timeout_s=0)
    assert str(loss.value) == (
        "MLflow misses some results (Connection refused); the study folder has them all, and resuming the "
        "study sends them"
    )
    server.start()
    follow(server.uri, "away", STUDY, [])
    runs = runs_of(server.uri, "away")
    assert len(runs) == 7
    assert {run.info.status for run in runs.values()} == {"FINISHED", "KILLED", "FAILED"}
