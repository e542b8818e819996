"""The database behind an MLflow server: SQLite or PostgreSQL, reachable, and without its password in sight."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, create_engine, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from data.errors import UserError
from sweep.storage.credentials import holds_secret

EXAMPLES = "sqlite:////disk/mlflow.db or postgresql://user@host/database"
ANSWERS_WITHIN_S = 10


class TrackingBackendError(UserError):
    """A database that MLflow cannot keep runs in."""


def parse_backend(uri: str) -> URL:
    """Parse a database's URI without connecting to the database.

    Raises TrackingBackendError for a URI that holds a password, or names neither an SQLite file nor PostgreSQL.
    """
    if holds_secret(uri):
        raise TrackingBackendError(
            "--backend: the URI holds a password, which everybody on this machine could read; leave it out, and put "
            "it into PGPASSWORD or ~/.pgpass"
        )
    try:
        url = make_url(uri)
    except ArgumentError:
        raise TrackingBackendError(f"--backend {uri}: is no database URI; write {EXAMPLES}") from None
    if url.get_backend_name() not in ("sqlite", "postgresql"):
        raise TrackingBackendError(f"--backend {uri}: is neither SQLite nor PostgreSQL; write {EXAMPLES}")
    if _is_sqlite(url) and url.database in (None, "", ":memory:"):
        raise TrackingBackendError(f"--backend {uri}: would be gone with the server; write {EXAMPLES}")
    return url


def backend_for_mlflow(uri: str) -> str:
    """Connect to the database at `uri`; return its URI with the driver that MLflow is to use.

    MLflow itself would try for minutes, and show a traceback.

    Raises TrackingBackendError for a URI that holds a password, names no such database, or one that does not answer.
    """
    url = parse_backend(uri)
    if url.drivername == "postgresql":
        # SQLAlchemy would look for psycopg 3 from its version 2.1 on; ours comes with psycopg2.
        url = url.set(drivername="postgresql+psycopg2")
    # PostgreSQL's driver waits for minutes by default, SQLite's for a lock.
    waiting = {} if _is_sqlite(url) else {"connect_timeout": ANSWERS_WITHIN_S}
    try:
        engine = create_engine(url, connect_args=waiting)
        with engine.connect():
            pass
        engine.dispose()
    except ImportError as error:
        raise TrackingBackendError(
            f"--backend {uri}: needs the Python package {error.name}; it is in the extra `cluster`"
        ) from error
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise TrackingBackendError(f"--backend {uri}: {reason}") from error
    return url.render_as_string(hide_password=False)


def users_database(uri: str) -> str:
    """URI of the users' database of a server whose runs are at `uri`: a file beside SQLite's, or PostgreSQL itself.

    So the file with the runs can be given away without anybody's password hash.
    """
    url = parse_backend(uri)
    if not _is_sqlite(url):
        return uri
    runs = Path(url.database or "")
    return str(url.set(database=str(runs.with_name(f"{runs.stem}-users{runs.suffix}"))))


def serving_processes(uri: str) -> int:
    """How many processes should serve the database at `uri`: SQLite lets one write at a time."""
    return 1 if _is_sqlite(parse_backend(uri)) else 2


def _is_sqlite(url: URL) -> bool:
    return url.get_backend_name() == "sqlite"
