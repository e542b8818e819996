"""Who logs in to a server of ours, and what those see who do not: real servers, real requests."""

import os
import pty
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import requests
from mlflow import MlflowClient

from sweep.study.events import ConfigurationAdded, StudyStarted, UnitStarted
from sweep.tracking.messages import TrackingError
from sweep.tracking.server import serve_study
from sweep.tracking.server_users import TrackingAuthError
from tests.mlflow_servers import free_port, processes_of
from tests.sweep.histories import timed
from tests.sweep.tracking.tracked import wait_for_trouble, writer

Serve = Callable[..., Any]
PASSWORD = "correct-horse-battery"
READ = "/api/2.0/mlflow/experiments/get?experiment_id=0"
STUDY = timed(StudyStarted((1, 2)), ConfigurationAdded(0, {"patch_mix.beta": 0.5}), UnitStarted(0, 1))


def test_the_ui_of_a_study_wants_a_password_that_somebody_can_see(tmp_path: Path) -> None:
    with pytest.raises(
        TrackingAuthError, match=r"^admin has no password yet, .*; set MLFLOW_TRACKING_PASSWORD"
    ):
        serve_study(f"sqlite:///{tmp_path}/mlflow.db", "first", free_port(), print, terminal=False)


@pytest.mark.slow
def test_with_auth_nobody_reads_without_a_password_and_a_study_writes_with_it(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("--auth", MLFLOW_TRACKING_USERNAME="ann", MLFLOW_TRACKING_PASSWORD=PASSWORD)
    assert "administrator: ann" in served.printed()
    for path in ("/", READ, "/ajax-api/2.0/mlflow/experiments/search?max_results=5"):
        assert served.get(path).status_code == 401, path
        assert served.get(path, auth=("ann", "wrong-horse-battery")).status_code == 401, path
        assert served.get(path, auth=("admin", "password1234")).status_code == 401, path
        assert served.get(path, auth=("ann", PASSWORD)).status_code == 200, path

    with pytest.raises(TrackingError) as denial:
        writer(served.uri, "locked")
    assert str(denial.value) == (
        f"tracking server {served.uri}: 401, not logged in; set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    tracking = writer(served.uri, "locked")
    for event in STUDY:
        tracking(event)
    tracking.close()
    client = MlflowClient(served.uri)
    experiment = client.get_experiment_by_name("locked")
    assert experiment is not None
    assert {run.info.run_name for run in client.search_runs([experiment.experiment_id])} == {
        "configuration 0",
        "0000-seed1",
    }

    # Another user, who may log in, sees nothing that is not granted to them.
    user = {"username": "bob", "password": "another-horse-battery"}
    made = requests.post(
        f"{served.uri}/api/2.0/mlflow/users/create", json=user, auth=("ann", PASSWORD), timeout=60
    )
    assert made.status_code == 200
    path = f"/api/2.0/mlflow/experiments/get?experiment_id={experiment.experiment_id}"
    assert served.get(path, auth=("bob", user["password"])).status_code == 403
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "bob")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", user["password"])
    with pytest.raises(TrackingError, match=r": 403, not permitted; set MLFLOW_TRACKING_USERNAME and"):
        writer(served.uri, "locked")

    # In sight of other users of this machine: neither arguments nor files.
    for session in served.sessions():
        assert PASSWORD not in "".join(processes_of(session))
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or PASSWORD.encode() not in file.read_bytes(), file
    assert (tmp_path / "served" / ".mlflow" / "mlflow-users.db").stat().st_mode & 0o077 == 0
    assert served.stop() == 0


@pytest.mark.long
def test_the_administrator_of_a_server_stays_who_they_were(serve: Serve) -> None:
    first = serve("--auth", MLFLOW_TRACKING_USERNAME="ann", MLFLOW_TRACKING_PASSWORD=PASSWORD)
    assert first.stop() == 0
    again = serve(
        "--auth", wait=False, MLFLOW_TRACKING_USERNAME="ann", MLFLOW_TRACKING_PASSWORD=PASSWORD[:-1]
    )
    assert again.ended() == 1
    assert "error: MLFLOW_TRACKING_PASSWORD: ann has another one in sqlite:///" in again.printed()
    # No password in the environment: whom the server knows may go on.
    last = serve("--auth", MLFLOW_TRACKING_USERNAME="ann", MLFLOW_TRACKING_PASSWORD="")
    assert last.get(READ, auth=("ann", PASSWORD)).status_code == 200


@pytest.mark.slow
def test_a_password_that_no_longer_holds_costs_nothing_once_it_is_mended(
    serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("--auth", MLFLOW_TRACKING_PASSWORD=PASSWORD)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "admin")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    tracking = writer(served.uri, "lab")
    # MLflow's client looks at each request.
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong-horse-battery")
    for event in STUDY:
        tracking(event)
    wait_for_trouble(tracking)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    tracking.close()

    tracking = writer(served.uri, "lab", STUDY)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "wrong-horse-battery")
    for event in timed(
        ConfigurationAdded(1, {"patch_mix.beta": 1.0}), UnitStarted(1, 1), start=STUDY[-1].at + 1
    ):
        tracking(event)
    wait_for_trouble(tracking)
    with pytest.raises(TrackingError) as loss:
        tracking.close(timeout_s=0)
    assert str(loss.value) == (
        "MLflow misses some results (401, not logged in; set MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD); the study folder has them all, and resuming the study sends them"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", PASSWORD)
    client = MlflowClient(served.uri)
    experiment = client.get_experiment_by_name("lab")
    assert experiment is not None
    assert {run.info.run_name for run in client.search_runs([experiment.experiment_id])} == {
        "configuration 0",
        "0000-seed1",
    }


@pytest.mark.slow
def test_a_made_up_password_is_told_once_on_a_terminal_and_works(serve: Serve, tmp_path: Path) -> None:
    log = serve("--auth", wait=False, MLFLOW_TRACKING_PASSWORD="", folder=tmp_path / "log")
    assert log.ended() == 1
    assert "error: admin has no password yet, and a made-up one would stay in a log" in log.printed()

    served = log.__class__(tmp_path / "terminal", ("--auth",), {"MLFLOW_TRACKING_PASSWORD": ""})
    theirs, ours = pty.openpty()
    command = ["--studies", str(tmp_path / "terminal"), "--port", str(served.port), "--auth"]
    environment = {**os.environ, "MLFLOW_TRACKING_PASSWORD": ""}
    process = subprocess.Popen(
        [log.process.args[0], "ui", "--serve", *command],
        env=environment,
        stdout=ours,
        stderr=ours,
    )
    os.close(ours)
    try:
        printed = b""
        while b"--tracking-uri" not in printed:
            printed += os.read(theirs, 4096)
        (line,) = [line for line in printed.decode().splitlines() if "told this once" in line]
        password = line.rpartition(" ")[2]
        assert served.get(READ, auth=("admin", password)).status_code == 200
    finally:
        process.terminate()
        process.wait(60)
        os.close(theirs)
