"""MLflow's database without runs, made once by all migrations and copied for each test that needs one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database without runs, as its dozens of migrations leave it; they take longer than a tiny unit."""
    from mlflow import MlflowClient

    from sweep.tracking.tracker import database_uri

    folder = tmp_path_factory.mktemp("tables")
    MlflowClient(database_uri(folder)).search_experiments()
    return folder / "mlflow.db"


@pytest.fixture
def copied_tables(empty_tables: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new study gets a copy of `empty_tables`, where MLflow would make a database by all its migrations."""
    from sweep.driver import run
    from sweep.tracking.tracker import database_uri

    def with_tables(study_folder: Path) -> str:
        if not (study_folder / "mlflow.db").exists():
            shutil.copy(empty_tables, study_folder)
        return database_uri(study_folder)

    monkeypatch.setattr(run, "database_uri", with_tables)
