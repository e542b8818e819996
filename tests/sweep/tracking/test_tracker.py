"""The process that writes to MLflow: it keeps what the writer promises, and never outlives the driver."""

import contextlib
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.study.units import unit_id
from sweep.tracking.messages import TrackingError
from sweep.tracking.tracker import Tracker, database_uri
from tests.sweep.tracking.tracked import STUDY, runs_of

ROOT = Path(__file__).parents[3]
WAIT_S = 60


def is_there(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def tracker(uri: str, experiment: str) -> Tracker:
    return Tracker(uri, experiment, None, experiment, [], {}, gather_s=0.05, retry_after_s=0.05)


@pytest.fixture
def silent_server() -> Iterator[str]:
    """A server that takes connections and never answers."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_study_is_written_by_a_process_that_ends_with_it_and_says_nothing(
    tmp_path: Path, empty_tables: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "study"
    # The second one comes to a file of the same name, after the first one was removed with its folder.
    for study_id in ("first", "second"):
        folder.mkdir()
        shutil.copy(empty_tables, folder)
        tracking = Tracker(
            database_uri(folder), "whole", folder / "artifacts", study_id, [], {"respsweep.fold_hash": "abc"}
        )
        assert tracking.away is None
        assert os.getsid(tracking.pid) != os.getsid(0)
        for event in STUDY:
            tracking(event)
        tracking.close()
        assert not is_there(tracking.pid)
        tracking.close()
        with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as file:
            tags = file.execute("SELECT DISTINCT value FROM tags WHERE key = 'respsweep.study'").fetchall()
        assert tags == [(study_id,)]
        shutil.move(folder, tmp_path / study_id)
    runs = runs_of(database_uri(tmp_path / "second"), "whole")
    assert len(runs) == 7
    assert runs[unit_id(0, 1)].info.status == "FINISHED"
    assert {run.data.tags["respsweep.fold_hash"] for run in runs.values()} == {"abc"}
    assert capfd.readouterr() == ("", "")


def test_what_stops_driver_and_workers_together_does_not_stop_it(database: str) -> None:
    tracking = tracker(database, "signals")
    for stop in (signal.SIGINT, signal.SIGTERM):
        os.kill(tracking.pid, stop)
    for event in STUDY:
        tracking(event)
    tracking.close()
    assert len(runs_of(database, "signals")) == 7


def test_files_of_a_user_are_not_imported_in_place_of_ours(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("data", "sweep", "mlflow", "queue"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit(3)")
    monkeypatch.chdir(tmp_path)
    tracker(database, "own files").close()


def test_a_refusal_is_raised_at_once_and_leaves_no_process(database: str) -> None:
    client = MlflowClient(database)
    client.delete_experiment(client.create_experiment("gone"))
    before = children()
    with pytest.raises(TrackingError, match="the MLflow experiment gone was deleted"):
        tracker(database, "gone")
    with pytest.raises(TrackingError, match=r"no answer \(Connection refused\); start it"):
        tracker("http://127.0.0.1:9", "nobody")
    assert children() == before


def children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8").split())


def test_a_server_that_is_away_when_a_study_is_taken_up_is_told_of_at_both_ends() -> None:
    uri = "http://127.0.0.1:9"
    tracking = Tracker(uri, "away", None, "away", STUDY[:5], {}, retry_after_s=0.05)
    assert tracking.away == f"tracking server {uri}: no answer (Connection refused)"
    with pytest.raises(
        TrackingError, match=r"^MLflow misses some results \(Connection refused\); the study "
    ):
        tracking.close(0)
    assert not is_there(tracking.pid)


def test_neither_the_sweep_nor_its_end_waits_for_a_process_that_is_stopped(database: str) -> None:
    tracking = tracker(database, "stopped")
    os.kill(tracking.pid, signal.SIGSTOP)
    for _ in range(5000):
        for event in STUDY:
            tracking(event)
    with pytest.raises(TrackingError, match=r"MLflow misses some results \(no answer\)"):
        tracking.close(0)
    assert not is_there(tracking.pid)


def test_what_a_process_that_was_killed_has_not_written_another_one_writes(database: str) -> None:
    tracking = tracker(database, "killed")
    for event in STUDY[:5]:
        tracking(event)
    wait_until(lambda: bool(runs_of(database, "killed")))
    os.kill(tracking.pid, signal.SIGKILL)
    for event in STUDY[5:]:
        tracking(event)
    tracking.close()
    assert not is_there(tracking.pid)
    assert len(runs_of(database, "killed")) == 7


def test_where_nobody_waits_a_process_that_was_killed_is_told_of_and_the_next_driver_sends_the_rest(
    database: str,
) -> None:
    tracking = tracker(database, "killed")
    os.kill(tracking.pid, signal.SIGKILL)
    for event in STUDY:
        tracking(event)
    with pytest.raises(
        TrackingError, match=r"\(the process that writes to MLflow ended, status -9\); the study"
    ):
        tracking.close(0)
    Tracker(database, "killed", None, "killed", STUDY, {}).close()
    assert len(runs_of(database, "killed")) == 7


DRIVER = """
import sys, time
from sweep.tracking.tracker import Tracker
from sweep.tracking.writer_process import WriterProcess
from tests.sweep.tracking.tracked import STUDY

process = WriterProcess()
print(process.pid, flush=True)
tracking = Tracker(sys.argv[1], "driver", None, "driver", [], {}, process=process)
for event in STUDY[:-1]:
    tracking(event)
if sys.argv[2] == "closing":
    tracking(STUDY[-1])
    print("closing", flush=True)
    tracking.close(600)
print("sent", flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("moment", ["connecting", "running"])
def test_it_ends_when_the_driver_is_killed(
    database: str, silent_server: str, moment: str, tmp_path: Path
) -> None:
    uri = silent_server if moment == "connecting" else database
    command = [sys.executable, "-c", DRIVER, uri, moment]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
    try:
        assert driver.stdout is not None
        pid = int(driver.stdout.readline())
        if moment == "running":
            assert driver.stdout.readline() == "sent\n"
        assert is_there(pid)
    finally:
        driver.kill()
        driver.communicate()
    wait_until(lambda: not is_there(pid))


def test_it_ends_when_the_driver_is_killed_while_that_waits_for_the_last_results(
    database: str, tmp_path: Path
) -> None:
    """Another program holds the database for writing, as the driver closes."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", DRIVER, database, "closing"]
    with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as other:
        driver = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=tmp_path)
        try:
            assert driver.stdout is not None
            pid = int(driver.stdout.readline())
            wait_until(lambda: MlflowClient(database).get_experiment_by_name("driver") is not None)
            other.execute("BEGIN IMMEDIATE")
            assert driver.stdout.readline() == "closing\n"
            assert is_there(pid)
        finally:
            driver.kill()
            driver.communicate()
        wait_until(lambda: not is_there(pid))
