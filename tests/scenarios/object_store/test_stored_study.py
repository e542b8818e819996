"""Whole studies on an object store: run, looked at, killed, and taken up again on another machine."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import yaml

from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import open_storage
from sweep.study.units import State
from sweep.tracking.tracker import database_uri
from tests.studies import curves, tiny_study

STUDY = tiny_study(epochs=12, sampler={"name": "random"}, seeds=[1], budget={"configurations": 2})
# Nobody wants to wait a minute for the lease of a dead driver.
RESPSWEEP = """
from sweep import cli
from sweep.folder.lease import LeasedLock
from sweep.folder.mirror import Mirror
LeasedLock.__init__.__kwdefaults__.update(lease_s=4.0, beat_s=1.0)
Mirror.__init__.__kwdefaults__.update(interval_s=0.5)
cli.main()
"""


class Machine:
    """What a machine has of its own: its cache. The study is where all see it."""

    def __init__(self, folder: Path, studies: str) -> None:
        self.cache = folder
        self.studies = studies

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", RESPSWEEP, *arguments, "--studies", self.studies],
            env={**os.environ, "RESPSWEEP_CACHE": str(self.cache)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        output, errors = process.communicate(timeout=600)
        return subprocess.CompletedProcess(arguments, process.returncode, output, errors)

    def folder(self, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
        monkeypatch.setenv("RESPSWEEP_CACHE", str(self.cache))
        return StudyFolder.open(self.studies, "one", runs=True)


@pytest.fixture
def space(tmp_path: Path) -> str:
    path = tmp_path / "one.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return str(path)


@pytest.fixture
def machines(s3: Any, tmp_path: Path) -> Callable[[str], Machine]:
    return lambda name: Machine(tmp_path / name, s3.place("lab"))


def stored_lines(s3: Any) -> list[dict[str, Any]]:
    try:
        return [
            json.loads(line) for line in open_storage(s3.place("lab/one")).read("journal.jsonl").splitlines()
        ]
    except FileNotFoundError:
        return []


def warnings_in(output: str) -> list[str]:
    """Lines that warn, but for that of so few patients' uneven folds."""
    lines = [line for line in output.splitlines() if "warning" in line]
    return [line for line in lines if not line.startswith("warning: folds: none of 100 draws")]


def eventually(true: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def kill_with_workers(driver: subprocess.Popen[str]) -> None:
    """As when their machine goes. Ray's processes are in sessions of their own; they end without their driver."""
    os.killpg(driver.pid, signal.SIGKILL)
    driver.communicate()


@pytest.mark.slow
def test_a_study_goes_on_on_another_machine_when_its_first_one_has_vanished(
    space: str, machines: Callable[[str], Machine], s3: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, looker = machines("first"), machines("second"), machines("looker")
    driver = first.start("run", space)

    def an_epoch_is_stored() -> bool:
        kinds = [line.get("event") for line in stored_lines(s3)]
        return "EpochReported" in kinds and any("/units/" in name for name in s3.names())

    eventually(an_epoch_is_stored, driver)
    kill_with_workers(driver)

    stored = stored_lines(s3)
    status = looker.run("status", "one").stdout
    assert status.startswith("s3://bucket/lab/one: ")
    assert "over" not in status.splitlines()[0]
    deadline = time.monotonic() + 120
    while "last heard" in (gone_on := second.run("run", "--resume", "one")).stderr:
        assert time.monotonic() < deadline, f"the lease of a dead driver is still held: {gone_on.stderr}"
        time.sleep(1)
    assert gone_on.returncode == 0, gone_on.stderr
    assert warnings_in(gone_on.stdout) == []
    assert stored_lines(s3)[: len(stored)] == stored

    folder = second.folder(monkeypatch)
    board = folder.board()
    assert len(board.drivers) == 2
    assert all(unit.state is State.FINISHED and unit.failures == 0 for unit in board.units())
    names = [name.removeprefix("lab/one/") for name in s3.names() if name.startswith("lab/one/")]
    models = [name for name in names if name.startswith("artifacts/")]
    assert sum(name.endswith("/model/MLmodel") for name in models) == len(board.ranking()[0].units)
    assert sorted(set(names) - set(models)) == [
        "best.yaml",
        "driver.json",
        "journal.jsonl",
        "mlflow.db",
        "optuna.journal",
        *(f"predictions/{unit.id}.npy" for unit in board.units()),
        "provenance.yaml",
        "report.html",
        "study.yaml",
        *(f"units/{unit.id}/weights.safetensors" for unit in board.ranking()[0].units.values()),
    ]
    assert list((second.cache / "units").glob("*/*")) == []

    # A third machine sees the end, the runs too, and the scores are those of an undisturbed study.
    end = looker.folder(monkeypatch)
    assert end.board().stopped == "over"
    client = mlflow.MlflowClient(database_uri(end.path))
    experiment = client.get_experiment_by_name("one")
    assert experiment is not None
    assert len(client.search_runs([experiment.experiment_id])) == 2 + 2
    for command in (
        ["leaderboard", "one"],
        ["export", "one"],
        ["simulate", "--from", "one", "--repeats", "1"],
    ):
        done = looker.run(*command)
        assert done.returncode == 0, done.stderr
    whole = Machine(tmp_path / "whole", str(tmp_path / "studies"))
    assert whole.run("run", space).returncode == 0
    assert curves(end.board()) == curves(StudyFolder.open(tmp_path / "studies", "one").board())


@pytest.mark.long
def test_a_store_that_is_away_for_a_while_costs_nothing(
    space: str, machines: Callable[[str], Machine], s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = machines("first")
    driver = machine.start("run", space)
    eventually(lambda: any("/units/" in name for name in s3.names()), driver)
    copy = next(machine.cache.glob("studies/*/one"))
    with s3.away():
        before = (copy / "journal.jsonl").read_bytes().count(b"EpochReported")
        eventually(lambda: (copy / "journal.jsonl").read_bytes().count(b"EpochReported") > before + 1, driver)
    output, errors = driver.communicate(timeout=600)
    assert driver.returncode == 0, errors
    assert warnings_in(output) == []
    board = machines("other").folder(monkeypatch).board()
    assert [unit.state for unit in board.units()] == [State.FINISHED] * 2
    assert all(unit.attempts and len(unit.attempts) == 1 for unit in board.units())
    assert all(name.endswith("/weights.safetensors") for name in s3.names() if "/units/" in name)


@pytest.mark.slow
def test_a_driver_whose_study_was_taken_halts_and_sends_nothing_more(
    space: str, machines: Callable[[str], Machine], s3: Any
) -> None:
    machine = machines("first")
    driver = machine.start("run", space)
    eventually(lambda: any("/units/" in name for name in s3.names()), driver)
    storage = open_storage(s3.place("lab/one"))
    lease = json.loads(storage.read("driver.json")) | {"id": "another", "host": "elsewhere", "pid": 7}
    storage.write("driver.json", json.dumps(lease).ljust(1023).encode() + b"\n")
    output, errors = driver.communicate(timeout=300)
    assert driver.returncode == 75, output
    assert "one: taken over by process 7 on elsewhere" in errors
    assert "one: taken over by process 7 on elsewhere" in output
    assert json.loads(storage.read("driver.json"))["id"] == "another"
    assert "StudyStopped" not in [line.get("event") for line in stored_lines(s3)]


@pytest.mark.slow
def test_a_driver_ends_though_its_store_has_stopped_answering(
    space: str, machines: Callable[[str], Machine], s3: Any
) -> None:
    machine = machines("first")
    driver = machine.start("run", space)
    eventually(lambda: any("/units/" in name for name in s3.names()), driver)
    with s3.silent():
        driver.send_signal(signal.SIGINT)
        output, errors = driver.communicate(timeout=300)
    assert driver.returncode == 75
    assert "the store lacks the last results" in output
    assert errors.splitlines()[-1].startswith("paused: s3://bucket/lab/one: interrupted after")


@pytest.mark.slow
def test_a_study_that_cannot_begin_leaves_nothing_on_the_store(
    machines: Callable[[str], Machine], s3: Any, tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text(yaml.safe_dump({**STUDY, "data": str(tmp_path / "no-recordings")}))
    refused = machines("first").run("run", str(tmp_path / "bad.yaml"))
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: ")
    assert s3.names() == []
    assert not list((tmp_path / "first").glob("studies/*/bad"))


@pytest.mark.slow
def test_what_cannot_be_reached_or_must_not_be_written_down_is_one_line(
    space: str, machines: Callable[[str], Machine], s3: Any, tmp_path: Path
) -> None:
    secret = Machine(tmp_path / "first", "s3://key:hunter2@bucket/lab").run("run", space)
    assert secret.returncode == 1
    assert secret.stderr.startswith("error: s3://bucket/lab: the address holds a user or password")
    assert "hunter2" not in secret.stderr
    missing = machines("first").run("leaderboard", "none")
    assert missing.stderr == "error: no study 'none' in s3://bucket/lab/; there is none yet\n"
    refused = Machine(tmp_path / "first", "s3://nobody-has-this/lab").run("run", space)
    assert refused.returncode == 1
    assert refused.stderr.startswith("error: s3://nobody-has-this/lab/one: ")
    assert "NoSuchBucket" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1
    with s3.away():
        away = machines("first").run("run", space)
    assert away.returncode == 1
    assert away.stderr.startswith("error: s3://bucket/lab/one: cannot be read: ")
    assert len(away.stderr.splitlines()) == 1
