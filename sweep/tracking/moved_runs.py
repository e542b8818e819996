"""MLflow's own database in a study's folder, after the study was renamed: the experiment's name, and where files lie."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

_PLACES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
)
"""Tables and columns in which MLflow keeps the place of a run's files."""


def move_runs(database: Path, before: str, name: str, artifacts: Path) -> bool:
    """Rename the experiment `before` in a study's database to `name`, and say that its files lie in `artifacts` now.

    MLflow writes down whole places, and would look for files, and write new ones, where the study was. False, and
    nothing is changed, where there is no such experiment. Raises sqlite3.Error for a file that is no database of MLflow.
    """
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        found = connection.execute(
            "SELECT artifact_location FROM experiments WHERE name = ?", (before,)
        ).fetchone()
        if found is None:
            return False
        connection.execute("UPDATE experiments SET name = ? WHERE name = ?", (name, before))
        there, here = str(found[0]).rstrip("/"), artifacts.absolute().as_uri()
        for table, column in _PLACES:
            # Only the beginning, up to a slash or the end.
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
                f"WHERE {column} = ? OR substr({column}, 1, ?) = ?",
                (here, len(there) + 1, there, len(there) + 1, f"{there}/"),
            )
    return True
