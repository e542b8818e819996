"""MLflow's database of a study that was renamed, as MLflow reads it then."""

import shutil
import sqlite3
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweep.tracking.moved_runs import move_runs
from sweep.tracking.sqlite_uri import sqlite_uri


def test_runs_and_their_files_are_found_under_the_new_name(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = tmp_path / "old", tmp_path / "new one"
    old.mkdir()
    shutil.copy(database.removeprefix("sqlite:///"), old / "mlflow.db")
    client = MlflowClient(sqlite_uri(old / "mlflow.db"))
    beside = client.create_experiment("beside", artifact_location=(tmp_path / "old-finish").as_uri())
    experiment = client.create_experiment("old", artifact_location=(old / "artifacts").as_uri())
    run = client.create_run(experiment).info.run_id
    (tmp_path / "told.txt").write_text("told")
    # Not by the client, which would remember for this process where it wrote.
    kept = old / "artifacts" / run / "artifacts" / "told.txt"
    kept.parent.mkdir(parents=True)
    kept.write_text("told")
    old.rename(new)
    assert move_runs(new / "mlflow.db", "old", "new one", new / "artifacts")
    moved = MlflowClient(sqlite_uri(new / "mlflow.db"))
    found = moved.get_experiment_by_name("new one")
    assert found is not None
    assert found.experiment_id == experiment
    assert Path(moved.download_artifacts(run, "told.txt", str(tmp_path))).read_text() == "told"
    moved.log_artifact(run, str(tmp_path / "told.txt"), "later")
    assert (new / "artifacts" / run / "artifacts" / "later" / "told.txt").exists()
    assert not old.exists()
    assert moved.get_experiment(beside).artifact_location == (tmp_path / "old-finish").as_uri()
    assert not move_runs(new / "mlflow.db", "old", "new one", new / "artifacts")


def test_a_file_that_is_no_database_of_mlflow_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_text("no database at all" * 100)
    with pytest.raises(sqlite3.Error):
        move_runs(tmp_path / "mlflow.db", "old", "new", tmp_path)
