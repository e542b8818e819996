from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.tracking.server_database import parse_backend, users_database
from sweep.tracking.sqlite_uri import sqlite_uri


def test_a_plain_path_stays_plain() -> None:
    assert sqlite_uri(Path("/studies/first one/mlflow.db")) == "sqlite:////studies/first one/mlflow.db"


@pytest.mark.parametrize("name", ["My%20Drive", "what?x", "100%", "a?mode=ro#b;ü"])
def test_mlflow_opens_the_file_whatever_its_path_and_makes_no_other(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir()
    uri = sqlite_uri(tmp_path / name / "mlflow.db")
    MlflowClient(uri).create_experiment("first", artifact_location=(tmp_path / name / "artifacts").as_uri())
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name / "mlflow.db").is_file()
    assert MlflowClient(uri).get_experiment_by_name("first") is not None


def test_the_users_database_lies_beside_it() -> None:
    users = users_database(sqlite_uri(Path("/my%20drive/mlflow.db")))
    assert parse_backend(users).database == "/my%20drive/mlflow-users.db"
