"""`respsweep ui --serve` in earnest: real servers, real requests."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import pytest
import requests
from mlflow import MlflowClient

from sweep.cli import main
from sweep.study.events import ConfigurationAdded, StudyStarted
from sweep.tracking import server as tracking_server
from sweep.tracking.server import ServerStorage, TrackingServerError, say_where
from tests.mlflow_servers import free_port, processes_of

Serve = Callable[..., Any]
PASSWORD = "correct-horse-battery"
READ = "/api/2.0/mlflow/experiments/get?experiment_id=0"
SEARCH = "/ajax-api/2.0/mlflow/runs/search"
ON_A_STORE = "--serve", "--backend", "sqlite:////disk/mlflow.db", "--studies"
STUDY = [StudyStarted((1, 2), at=1.7e9), ConfigurationAdded(0, {"patch_mix.beta": 0.5}, at=1.7e9 + 1)]


def complaint(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    monkeypatch.setattr("sys.argv", ["respsweep", "ui", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    error = capfd.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_server_says_how_to_use_it_answers_to_its_names_only_and_ends_with_all_its_processes(
    serve: Serve, tmp_path: Path
) -> None:
    # A second loopback address stands for a private one: MLflow knows it as little as that.
    served = serve("--host", "127.0.0.2", wait=False)
    served.uri = f"http://127.0.0.2:{served.port}"
    while f"--tracking-uri {served.uri}" not in served.printed():
        assert served.process.poll() is None, served.printed()
        time.sleep(0.1)
    home = tmp_path / "served" / ".mlflow"
    assert f"runs in sqlite:///{home}/mlflow.db, files in {home}/artifacts" in served.printed()
    assert home.stat().st_mode & 0o077 == 0
    assert (home / "mlflow.db").stat().st_mode & 0o077 == 0

    # Forwarded to other ports by ssh, by its address, by its name.
    own = os.uname().nodename
    for host in ("localhost:8123", "localhost", "127.0.0.1:9", "[::1]:77", "127.0.0.2:81", f"{own}:5000"):
        assert served.get(READ, headers={"Host": host}).status_code == 200, host
    for host in ("evil.example", "evil.example:5000", "10.evil.example", "127.0.0.1.evil.example:5000"):
        assert served.get(READ, headers={"Host": host}).status_code == 403, host

    def searched_from(origin: str) -> int:
        asked = {"headers": {"Origin": origin}, "json": {"experiment_ids": ["0"]}, "timeout": 60}
        return requests.post(served.uri + SEARCH, **asked).status_code

    # What browsers send from the pages of this server.
    for origin in (served.uri, "http://localhost:8123", f"http://{own}:{served.port}"):
        assert searched_from(origin) == 200, origin
    for origin in ("http://evil.example", f"{served.uri}.evil.example", "http://127.0.0.2:1"):
        assert searched_from(origin) == 403, origin
        allowed = served.get(READ, headers={"Origin": origin}).headers.get("Access-Control-Allow-Origin")
        assert allowed != origin

    (session,) = served.sessions()
    assert processes_of(session)
    assert served.stop(signal.SIGINT) == 0
    assert not processes_of(session)


@pytest.mark.slow
def test_files_of_runs_go_through_the_server_and_nowhere_but_into_its_folder(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve("--artifacts", str(tmp_path / "files"))
    create = f"{served.uri}/api/2.0/mlflow/experiments/create"
    for field in ("artifact_location", "artifactLocation"):
        for place in (str(tmp_path), tmp_path.as_uri(), "s3://bucket/theirs"):
            refused = requests.post(create, json={"name": "theirs", field: place}, timeout=60)
            assert refused.status_code == 400, (field, place)
            assert "Invalid artifact path length" in refused.json()["message"]
    assert requests.post(create, json={"name": "ours"}, timeout=60).status_code == 200
    client = MlflowClient(served.uri)
    found = client.get_experiment_by_name("ours")
    assert found is not None
    assert found.artifact_location.startswith("mlflow-artifacts:")

    run = client.create_run(found.experiment_id).info.run_id
    # The client finds the server's files by the address that is set for the process.
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served.uri)
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(served.uri)
    try:
        client.log_text(run, "a breath", "note.txt")
        assert [file.path for file in client.list_artifacts(run)] == ["note.txt"]
    finally:
        mlflow.set_tracking_uri(before)
    (stored,) = tmp_path.glob("files/**/note.txt")
    assert stored.read_text() == "a breath"


@pytest.mark.slow
def test_a_server_that_is_killed_ends_its_command_with_one_line(serve: Serve) -> None:
    served = serve()
    served.kill()
    assert served.process.returncode == 1
    assert "error: the MLflow server ended by itself, with status -9" in served.printed()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--serve", "--host", "0.0.0.0"), "--host 0.0.0.0: would be every address of this machine"),
        (("--serve", "--host", "8.8.8.8"), "--host 8.8.8.8: 8.8.8.8 is a public address"),
        (
            ("--serve", "--backend", f"postgresql://ann:{PASSWORD}@host/runs"),
            "--backend: the URI holds a password",
        ),
        (("--serve", "--artifacts", f"s3://key:{PASSWORD}@bucket"), "--artifacts: the URI holds a password"),
        (("--serve", "--artifacts", f"s3://AKIA{PASSWORD}@bucket"), "--artifacts: the URI holds a password"),
        (
            ("--serve", "--artifacts", "s3://bucket/lab?scheme=http"),
            "--artifacts s3://bucket/lab?scheme=http: MLflow does not read what follows the `?`",
        ),
        (
            (*ON_A_STORE, "s3://bucket/lab?endpoint_override=h:9000&scheme=http"),
            "--studies s3://bucket/lab?endpoint_override=h:9000&scheme=http: MLflow does not read what follows",
        ),
        ((*ON_A_STORE, f"s3://key:{PASSWORD}@bucket/lab"), "s3://bucket/lab: the address holds a user"),
        ((*ON_A_STORE, f"s3://AKIA{PASSWORD}@bucket/lab"), "s3://bucket/lab: the address holds a user"),
        (("--serve", "done"), "done: --serve is for all studies"),
        ((), "no study: name one, or give --serve"),
        (
            ("done", "--auth"),
            "--host, --backend, --artifacts, --auth and --with-ray are for a server; give --serve too",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line_and_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    tmp_path: Path,
    arguments: tuple[str, ...],
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    error = complaint(monkeypatch, capfd, *arguments)
    assert error.startswith(f"error: {reason}")
    assert PASSWORD not in error
    assert not list(tmp_path.iterdir())


def test_a_port_in_use_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        error = complaint(monkeypatch, capfd, "--serve", "--port", port)
    assert error == f"error: --port {port}: Address already in use; give another one\n"


def test_the_ui_of_a_study_on_a_server_that_is_away_says_where_it_is() -> None:
    uri = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(
        TrackingServerError, match=f"the runs of this study are on {uri}, which gives no answer"
    ):
        say_where(uri, "first", None, print)


def test_a_server_of_studies_in_an_object_store_needs_a_disk_for_its_database() -> None:
    with pytest.raises(
        TrackingServerError, match="--studies s3://bucket/lab: a database needs a disk; give one"
    ):
        ServerStorage.choose("s3://bucket/lab", None, None)
    chosen = ServerStorage.choose("s3://bucket/lab/", "sqlite:////disk/mlflow.db", None)
    assert chosen == ServerStorage("sqlite:////disk/mlflow.db", "s3://bucket/lab/.mlflow/artifacts")
    # Files elsewhere need nothing of the store but its name.
    query = "s3://bucket/lab?scheme=http"
    assert (
        ServerStorage.choose(query, "sqlite:////disk/mlflow.db", "gs://b/files").artifacts == "gs://b/files"
    )
    # A folder needs nothing; one is made only for what was not given a place.
    assert ServerStorage.choose("lab", None, None).folder_to_make == Path("lab/.mlflow").absolute()
    assert ServerStorage.choose("lab", "sqlite:////disk/mlflow.db", "/disk/files").folder_to_make is None


def test_a_ray_head_is_known_by_its_process(tmp_path: Path) -> None:
    stand_in = tmp_path / "gcs_stand_in"
    shutil.copy("/bin/sleep", stand_in)
    assert not tracking_server.ray_head_runs("gcs_stand_in")
    process = subprocess.Popen([str(stand_in), "600"])
    try:
        # A process may be told of before it has its new name.
        deadline = time.monotonic() + 60
        while not tracking_server.ray_head_runs("gcs_stand_in"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()
    assert not tracking_server.ray_head_runs("gcs_stand_in")


@pytest.mark.slow
def test_a_server_with_ray_ends_when_that_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    heads, started = iter([True, True, False]), []
    monkeypatch.setattr(tracking_server, "ray_head_runs", lambda: next(heads))
    popen = subprocess.Popen
    monkeypatch.setattr(
        tracking_server.subprocess, "Popen", lambda *a, **k: started.append(popen(*a, **k)) or started[-1]
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    tracking_server.serve(
        ServerStorage.choose(str(tmp_path), None, None),
        "127.0.0.1",
        port,
        False,
        lambda _: None,
        terminal=False,
        with_ray=True,
        look_every_s=0.05,
    )
    (server,) = started
    assert not processes_of(server.pid)


def test_without_a_ray_head_a_server_cannot_be_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_server, "ray_head_runs", lambda: False)
    with pytest.raises(TrackingServerError, match=r"no Ray head of yours runs here"):
        tracking_server.serve(
            ServerStorage.choose(str(tmp_path), None, None),
            "127.0.0.1",
            5000,
            False,
            lambda _: None,
            terminal=False,
            with_ray=True,
        )
