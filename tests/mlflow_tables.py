"""MLflow's database without runs, made once by all migrations and copied for each test of any process that needs one."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.made_breaths import folder_of_the_run


@pytest.fixture(scope="session")
def empty_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database without runs, as its dozens of migrations leave it; they take longer than a tiny unit."""
    from mlflow import MlflowClient

    from sweep.tracking.tracker import database_uri

    made = folder_of_the_run(tmp_path_factory) / "mlflow.db"
    if not made.exists():
        folder = tmp_path_factory.mktemp("tables")
        MlflowClient(database_uri(folder)).search_experiments()
        (folder / "mlflow.db").replace(made)
    return made


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
