"""Secrets that a driver and a server are given in their environment are in nothing that they write or print."""

import contextlib
import json
import re
import secrets
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.folder.study_folder import StudyFolder
from tests.studies import TINY_RECIPE

RECIPE = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3, "weight_blend": 0.0},
    "epochs": 2,
}
STUDY: dict[str, Any] = {
    "data": {"patients": 12, "seed": 0},
    "recipe": RECIPE,
    "search": {"patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5}},
    "seeds": [1, 2],
    "budget": {"configurations": 1},
    "resources": {"concurrent": 1},
}
# Whatever respsweep, MLflow, PostgreSQL, Ray and object stores read from the environment.
PLANTED = {
    name: f"planted-{secrets.token_hex(12)}"
    for name in (
        "MLFLOW_TRACKING_PASSWORD",
        "PGPASSWORD",
        "RAY_AUTH_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "HF_TOKEN",
    )
}


def told(where: str, content: bytes) -> list[str]:
    """Which secret is told where."""
    return [f"{name} in {where}" for name, secret in PLANTED.items() if secret.encode() in content]


def told_by_files(folder: Path) -> list[str]:
    leaks = []
    for path in folder.rglob("*"):
        if path.is_file():
            # Other programs' files, Ray's say, may go while they are looked through.
            with contextlib.suppress(FileNotFoundError):
                leaks += told(str(path), path.read_bytes())
    return leaks


def told_by_databases(folder: Path) -> list[str]:
    """By each value in MLflow's databases, as text: pages of a file may cut a value in two."""
    leaks = []
    for database in folder.rglob("*.db"):
        with sqlite3.connect(database) as connection:
            tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (table,) in tables:
                for row in connection.execute(f'SELECT * FROM "{table}"'):
                    leaks += told(f"{database}: {table}", repr(row).encode())
    return leaks


def told_by_arguments(stop: Callable[[], bool]) -> Iterator[str]:
    """What other users of the machine could read in the process list, until `stop`."""
    while not stop():
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                yield from told(str(process), process.read_bytes())
            except OSError:
                continue
        time.sleep(0.2)


@pytest.mark.slow
def test_a_study_on_a_server_tells_no_secret(
    serve: Callable[..., Any], ray_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, secret in PLANTED.items():
        monkeypatch.setenv(name, secret)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ann")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "ann")
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    served = serve("--auth")
    space, studies = tmp_path / "space.yaml", tmp_path / "studies"
    space.write_text(yaml.safe_dump(STUDY))
    respsweep = Path(sys.executable).with_name("respsweep")
    # Only so is the password sent.
    named = ["--name", "one", "--studies", str(studies), "--tracking-uri", served.uri]
    with (tmp_path / "study.log").open("wb") as output:
        study = subprocess.Popen([respsweep, "run", str(space), *named], stdout=output, stderr=output)
        leaks = list(told_by_arguments(lambda: study.poll() is not None))
    assert study.wait() == 0, (tmp_path / "study.log").read_text()

    # What was looked through is there.
    folder = StudyFolder.open(studies, "one")
    assert len(folder.board().ranking()) == 1
    assert "best configuration" in (tmp_path / "study.log").read_text()
    for command in (["status", "--units"], ["leaderboard"]):
        shown = subprocess.run(
            [respsweep, command[0], "one", *command[1:], "--studies", str(studies)], capture_output=True
        )
        assert shown.returncode == 0
        leaks += told(command[0], shown.stdout + shown.stderr)
    (runs,) = tmp_path.glob("served/.mlflow/mlflow.db")
    with sqlite3.connect(runs) as connection:
        assert connection.execute("SELECT count(*) FROM runs").fetchone() == (3,)
        assert connection.execute("SELECT count(*) FROM params").fetchone()[0] > 3

    assert served.stop() == 0
    leaks += told_by_files(tmp_path) + told_by_databases(tmp_path)
    assert list(ray_folder.glob("ray-*/ray/session_2*/logs/*"))
    leaks += told_by_files(ray_folder)
    assert not leaks


@pytest.mark.parametrize("given", ["file", "option", "set"])
def test_a_tracking_uri_with_a_password_is_refused_in_one_line_without_it(tmp_path: Path, given: str) -> None:
    password = PLANTED["MLFLOW_TRACKING_PASSWORD"]
    uri = f"http://ann:{password}@127.0.0.1:9"
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump({**STUDY, "tracking_uri": uri} if given == "file" else STUDY))
    options = {"file": [], "option": ["--tracking-uri", uri], "set": ["--set", f"tracking_uri={uri}"]}
    respsweep = Path(sys.executable).with_name("respsweep")
    studies = tmp_path / "studies"
    refused = subprocess.run(
        [respsweep, "run", str(space), "--studies", str(studies), *options[given]],
        capture_output=True,
        text=True,
    )
    assert refused.returncode == 1
    assert re.fullmatch(
        rf"error: {space}: tracking_uri: holds a user or password, .* set MLFLOW_TRACKING_USERNAME and "
        r"MLFLOW_TRACKING_PASSWORD\n",
        refused.stderr,
    )
    assert password not in refused.stdout + refused.stderr
    assert not studies.exists()


def test_a_planted_secret_would_be_found(tmp_path: Path) -> None:
    secret = PLANTED["PGPASSWORD"]
    (tmp_path / "journal.jsonl").write_text(json.dumps({"uri": secret}))
    with sqlite3.connect(tmp_path / "runs.db") as connection:
        connection.execute("CREATE TABLE params (value TEXT)")
        connection.execute("INSERT INTO params VALUES (?)", (secret,))
    assert f"PGPASSWORD in {tmp_path}/journal.jsonl" in told_by_files(tmp_path)
    assert told_by_databases(tmp_path) == [f"PGPASSWORD in {tmp_path}/runs.db: params"]
    teller = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()", secret],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert teller.stdout is not None
        assert teller.stdout.readline()
        once = iter([False, True])
        assert f"PGPASSWORD in /proc/{teller.pid}/cmdline" in told_by_arguments(lambda: next(once))
    finally:
        teller.communicate(b"\n")
