"""Ray, kept for many tests or started for one, and an MLflow server as people start it.

The server is `respsweep ui --serve`; it can be stopped, killed and started again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from sqlalchemy.engine import Engine

RESPSWEEP = Path(sys.executable).with_name("respsweep")


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a Ray that this test starts keeps its sockets and logs, away from other Rays on this machine."""
    # Not in tmp_path: names of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


@dataclass(frozen=True)
class RayHead:
    """A Ray on this machine that outlives the studies run on it.

    `folder`: where it keeps sockets and logs, which is in the environment of its workers as RAY_TMPDIR and of no other
    Ray's. `cache`: what they have as RESPSWEEP_CACHE.
    """

    address: str
    folder: Path
    cache: Path


@pytest.fixture(scope="session")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """A Ray that is started once: that takes several times as long as connecting to it and training a tiny unit."""
    from ray.cluster_utils import Cluster

    from sweep.execution.ray_session import prepare_ray

    cache = tmp_path_factory.mktemp("cache")
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_TMPDIR", folder)
            patch.setenv("RESPSWEEP_CACHE", str(cache))
            # Ray gives workers the lowest priority but four, and they would starve beside other tests.
            patch.setenv("RAY_worker_niceness", "0")
            prepare_ray()
            cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False})
        assert cluster.address is not None
        try:
            yield RayHead(cluster.address, Path(folder), cache)
        finally:
            cluster.shutdown()


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


@pytest.fixture
def kept_ray(ray_head: RayHead, copied_tables: None, monkeypatch: pytest.MonkeyPatch) -> RayHead:
    """Studies of this machine connect to `ray_head` where they would start Ray, and leave it when they end.

    Their runs are in copies of `empty_tables`. All else is as with a Ray and a database of their own;
    `tests/sweep/test_cli.py` has a study that makes both.
    """
    from sweep.execution import ray_session

    connect = ray_session.start_ray
    monkeypatch.setattr(ray_session, "start_ray", lambda _: connect(ray_head.address))
    monkeypatch.setenv("RESPSWEEP_CACHE", str(ray_head.cache))
    return ray_head


class Served:
    """One server. `log` holds all that it printed."""

    def __init__(self, folder: Path, options: tuple[str, ...], environment: dict[str, str]) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        folder.mkdir(exist_ok=True)
        self.log = folder / "server.log"
        self._options = ["--studies", str(folder / "served"), "--port", str(self.port), *options]
        self._environment = environment
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> Served:
        """Start it, and wait until it says how to use it."""
        known = self.printed().count("--tracking-uri")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [str(RESPSWEEP), "ui", "--serve", *self._options],
                env={**os.environ, **self._environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        deadline = time.monotonic() + 240
        while wait and self.printed().count("--tracking-uri") == known:
            assert self.process.poll() is None, self.printed()
            assert time.monotonic() < deadline, self.printed()
            time.sleep(0.1)
        return self

    def printed(self) -> str:
        return self.log.read_text() if self.log.exists() else ""

    def ended(self) -> int:
        """Wait for the end of the command; its status."""
        assert self.process is not None
        return self.process.wait(240)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to end, as Ctrl-C or the machine would; its status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.ended()

    def kill(self) -> None:
        """SIGKILL for MLflow and all its workers, wherever they are in their work."""
        assert self.process is not None
        for session in self.sessions():
            os.killpg(session, signal.SIGKILL)
        self.ended()

    def sessions(self) -> list[int]:
        """The process groups of MLflow below the command."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return [int(child) for child in children.read_text().split()]

    def get(self, path: str, **arguments: object) -> requests.Response:
        return requests.get(f"{self.uri}{path}", timeout=60, **arguments)  # type: ignore[arg-type]


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Starts `respsweep ui --serve` with options and environment; all are ended after the test."""
    started: list[Served] = []

    def start(*options: str, folder: Path = tmp_path, wait: bool = True, **environment: str) -> Served:
        started.append(Served(folder, options, environment))
        return started[-1].start(wait=wait)

    yield start
    for served in started:
        if served.process is not None and served.process.poll() is None:
            served.stop()
