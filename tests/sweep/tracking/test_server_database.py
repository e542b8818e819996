"""Databases that a server may have; PostgreSQL itself runs in test_tracking_postgresql."""

import socket
import traceback
from pathlib import Path

import pytest

from sweep.tracking.server_database import (
    TrackingBackendError,
    backend_for_mlflow,
    serving_processes,
    users_database,
)

PASSWORD = "correct-horse-battery"


@pytest.mark.parametrize(
    "uri",
    [f"postgresql://ann:{PASSWORD}@127.0.0.1/runs", f"postgresql://ann@127.0.0.1/runs?password={PASSWORD}"],
)
def test_a_password_in_the_uri_is_refused_and_not_printed(uri: str) -> None:
    with pytest.raises(TrackingBackendError, match=r"--backend: .*PGPASSWORD or ~/\.pgpass") as refusal:
        backend_for_mlflow(uri)
    assert PASSWORD not in "".join(traceback.format_exception(refusal.value))


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("mlflow.db", "is no database URI; write sqlite:////disk"),
        ("mysql://ann@host/runs", "is neither SQLite nor PostgreSQL"),
        ("sqlite://", "would be gone with the server"),
        ("sqlite:////nowhere/at/all/mlflow.db", "unable to open database file"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_in_one_line(uri: str, reason: str) -> None:
    with pytest.raises(TrackingBackendError, match=f"--backend {uri}: {reason}") as refusal:
        backend_for_mlflow(uri)
    assert "\n" not in str(refusal.value)


def test_a_postgresql_that_is_not_there_is_refused_in_one_line() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri = f"postgresql://ann@127.0.0.1:{port}/runs"
    with pytest.raises(TrackingBackendError, match=f"--backend {uri}: .*Connection refused") as refusal:
        backend_for_mlflow(uri)
    assert "\n" not in str(refusal.value)


def test_users_are_beside_the_runs_of_sqlite_and_among_those_of_postgresql(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/lab.db"
    assert backend_for_mlflow(uri) == uri
    assert users_database(uri) == f"sqlite:///{tmp_path}/lab-users.db"
    assert users_database("postgresql://ann@host/runs") == "postgresql://ann@host/runs"
    assert serving_processes(uri) == 1
    assert serving_processes("postgresql://ann@host/runs") > 1
