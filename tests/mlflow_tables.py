"""MLflow's database without runs, made once by all migrations and copied for each test that needs one."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine


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
    """MLflow, in this process, copies `empty_tables` where it would make a database by all its migrations."""
    from mlflow.store.db import utils

    def copy(engine: Engine) -> None:
        assert engine.url.database is not None
        with (
            contextlib.closing(sqlite3.connect(empty_tables)) as kept,
            contextlib.closing(sqlite3.connect(engine.url.database)) as new,
        ):
            kept.backup(new)

    monkeypatch.setattr(utils, "_initialize_tables", copy)
