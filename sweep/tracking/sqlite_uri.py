"""The address of an SQLite file for MLflow, whatever characters are in its path. Free of MLflow and SQLAlchemy."""

from __future__ import annotations

from pathlib import Path


def sqlite_uri(path: Path) -> str:
    """Write the path of a database as a URI; `%` and `?`, which have a meaning in URIs, are escaped."""
    plain = str(path.absolute())
    escaped = plain.replace("%", "%25").replace("?", "%3F")
    # Before it opens `sqlite:///PATH`, MLflow makes the folder of PATH as it stands there, escaped.
    scheme = "sqlite" if escaped == plain else "sqlite+pysqlite"
    return f"{scheme}:///{escaped}"
