import shutil
from pathlib import Path

import pytest

from sweep.tracking.tracker import database_uri


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory, empty_tables: Path) -> str:
    """MLflow's URI of a database file that the tests of a module share; each has an experiment of its own."""
    folder = tmp_path_factory.mktemp("study")
    shutil.copy(empty_tables, folder)
    return database_uri(folder)
