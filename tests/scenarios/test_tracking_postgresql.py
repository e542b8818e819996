"""An MLflow server with PostgreSQL behind it: Debian's own, started here with a data folder of its own."""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from mlflow import MlflowClient

from sweep.study.events import Event, StudyStarted
from sweep.study.units import unit_id
from sweep.tracking.messages import Target
from sweep.tracking.writer import Writer
from tests.apt import apt_get
from tests.sweep.histories import added, timed, trained

pytestmark = pytest.mark.slow
READ = "/api/2.0/mlflow/experiments/get?experiment_id=0"


def study(epochs: int) -> list[Event]:
    """Two seeds of one configuration, an event a second, in November 2023."""
    scores = [number / 100 for number in range(1, epochs + 1)]
    return timed(StudyStarted((1, 2)), *added(0), *trained(0, 1, *scores), *trained(0, 2, *scores))


class PostgreSQL:
    """A database server on the loopback interface, whose user `ann` logs in by a password (SCRAM)."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs, self._data = programs, folder / "data"
        self._log = folder / "postgresql.log"
        self.password = secrets.token_hex(16)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.uri = f"postgresql://ann@127.0.0.1:{self.port}/runs"
        self._process: subprocess.Popen[Any] | None = None
        secret = folder / "password"
        secret.write_text(self.password)
        # PostgreSQL refuses to run as root.
        account = _account() if os.geteuid() == 0 else None
        self._identity: dict[str, Any] = {}
        if account is not None:
            for path in (folder, secret):
                os.chown(path, account.pw_uid, account.pw_gid)
            self._identity = {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
        made = [
            "initdb",
            "-D",
            self._data,
            "-U",
            "ann",
            "-A",
            "scram-sha-256",
            "--pwfile",
            secret,
            "--no-sync",
        ]
        subprocess.run(self._command(*made), check=True, stdout=subprocess.DEVNULL, cwd="/", **self._identity)
        secret.unlink()
        self.start()
        connection = self.connect("postgres")
        connection.autocommit = True
        connection.cursor().execute("CREATE DATABASE runs")
        connection.close()

    def start(self) -> None:
        settings = [
            f"port={self.port}",
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
        ]
        options = [option for setting in settings for option in ("-c", setting)]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, *options),
                stdout=output,
                stderr=output,
                cwd="/",
                **self._identity,
            )
        deadline = time.monotonic() + 60
        while True:
            try:
                return self.connect("postgres").close()
            except psycopg2.OperationalError:
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.1)

    def connect(self, database: str) -> Any:
        return psycopg2.connect(
            host="127.0.0.1", port=self.port, user="ann", password=self.password, dbname=database
        )

    def stop(self) -> None:
        """End it at once, with all connections."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(60)
            self._process = None

    def _command(self, program: str, *arguments: object) -> list[str]:
        return [str(self._programs / program), *map(str, arguments)]


def _account() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _programs() -> Path:
    """Where Debian puts PostgreSQL, installed now where that is possible."""
    if not _installed() and os.geteuid() == 0 and shutil.which("apt-get") is not None:
        for arguments in (["update"], ["install", "--yes", "--no-install-recommends", "postgresql"]):
            apt_get(*arguments)
    if not _installed():
        pytest.skip("no PostgreSQL under /usr/lib/postgresql: apt-get install postgresql")
    return _installed()[-1].parent


def _installed() -> list[Path]:
    return sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    # Not below pytest's folders, which only we may enter.
    folder = Path(tempfile.mkdtemp(prefix="respsweep-postgresql-"))
    try:
        server = PostgreSQL(_programs(), folder)
        yield server
        server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_study_goes_into_postgresql_and_comes_out_again_also_when_that_was_away(
    serve: Callable[..., Any], postgresql: PostgreSQL, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    login = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "correct-horse-battery"}
    served = serve("--backend", postgresql.uri, "--auth", PGPASSWORD=postgresql.password, **login)
    assert f"runs in {postgresql.uri}, files in " in served.printed()
    assert served.get(READ).status_code == 401
    for name, value in login.items():
        monkeypatch.setenv(name, value)

    events = study(epochs=20)
    tracking = Writer(Target(served.uri, "lab", None, "lab", (), {}, retry_after_s=0.2))
    for event in events[:12]:
        tracking(event)
    client = MlflowClient(served.uri)
    experiment = client.get_experiment_by_name("lab")
    assert experiment is not None
    deadline = time.monotonic() + 120
    while len(client.search_runs([experiment.experiment_id])) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    postgresql.stop()
    for event in events[12:]:
        tracking(event)
    while tracking._trouble is None:
        assert time.monotonic() < deadline + 120
        time.sleep(0.1)
    postgresql.start()
    tracking.close()

    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert set(runs) == {"configuration 0", unit_id(0, 1), unit_id(0, 2)}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    for seed in (1, 2):
        history = client.get_metric_history(runs[unit_id(0, seed)].info.run_id, "score")
        assert sorted((point.step, point.value) for point in history) == [
            (epoch, epoch / 100) for epoch in range(1, 21)
        ]
    with postgresql.connect("runs") as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM metrics WHERE key = 'score'")
        assert cursor.fetchone() == (40,)
        cursor.execute("SELECT username FROM users")
        assert cursor.fetchall() == [("ann",)]

    assert not list((tmp_path / "served").rglob("*.db"))
    for secret in (postgresql.password, login["MLFLOW_TRACKING_PASSWORD"]):
        assert secret not in served.printed()
        for session in served.sessions():
            assert secret not in Path(f"/proc/{session}/cmdline").read_text()
    assert served.stop() == 0


def test_a_wrong_password_is_one_line_that_does_not_show_it(
    serve: Callable[..., Any], postgresql: PostgreSQL
) -> None:
    served = serve("--backend", postgresql.uri, wait=False, PGPASSWORD="another-horse-battery")
    assert served.ended() == 1
    printed = served.printed()
    assert printed.startswith(f"error: --backend {postgresql.uri}: ")
    assert 'password authentication failed for user "ann"' in printed
    assert printed.count("\n") == 1
    assert "another-horse-battery" not in printed
