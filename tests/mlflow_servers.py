"""Real MLflow servers on the loopback interface: as people start them, and MLflow's own command alone.

Either can be killed and started again.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from sweep.tracking.tracker import database_uri

RESPSWEEP = Path(sys.executable).with_name("respsweep")


class Served:
    """One server. `log` holds all that it printed."""

    def __init__(self, folder: Path, options: tuple[str, ...], environment: dict[str, str]) -> None:
        self.port = free_port()
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


class BareServer:
    """An `mlflow server` on a free port of the loopback interface, that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self.uri = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, if it does not run already, and wait until it answers."""
        if self._process is not None:
            return
        command = [sys.executable, "-m", "mlflow", "server", "--workers", "1", "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--backend-store-uri", database_uri(self._folder)]
        command += ["--default-artifact-root", str(self._folder / "artifacts")]
        quiet = {
            **os.environ,
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        }
        with (self._folder / "server.log").open("ab") as output:
            # A session of its own, so that the server's workers can be killed with it.
            self._process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **quiet},
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline:
            assert self._process.poll() is None, (self._folder / "server.log").read_text()
            try:
                if requests.get(f"{self.uri}/health", timeout=5).ok:
                    return
            except requests.RequestException:
                time.sleep(0.1)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def processes_of(session: int) -> list[str]:
    """Command lines of what still runs in a session."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state, _, _, of_session, *_ = process.joinpath("stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(of_session) == session and state != "Z":
            found.append(process.joinpath("cmdline").read_text())
    return found
