"""Requests get no answer, and a real server is killed: nothing is lost or there twice."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from sweep.study.units import unit_id
from sweep.tracking.messages import TrackingError
from tests.mlflow_servers import BareServer
from tests.sweep.tracking.tracked import (
    EPOCHS,
    STUDY,
    curve_of,
    follow,
    runs_of,
    wait_for_trouble,
    writer,
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
    tracking = writer(database, "broken")
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


@pytest.fixture(scope="module")
def one_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BareServer]:
    server = BareServer(tmp_path_factory.mktemp("server"))
    yield server
    server.kill()


@pytest.fixture
def server(one_server: BareServer) -> BareServer:
    one_server.start()
    return one_server


@pytest.mark.slow
def test_a_server_that_dies_on_the_way_loses_and_doubles_nothing(server: BareServer) -> None:
    tracking = writer(server.uri, "server")
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


@pytest.mark.slow
def test_a_server_that_stays_away_is_told_of_at_the_end(server: BareServer) -> None:
    tracking = writer(server.uri, "away")
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
