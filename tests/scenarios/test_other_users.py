"""Another user of the same machine reads, writes and reaches nothing of a running local study, and of its UI."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import ray  # noqa: F401  brings psutil along
import yaml
from psutil import NoSuchProcess, Process  # pyright: ignore[reportMissingModuleSource]

from sweep.folder.study_folder import StudyFolder
from tests.mlflow_servers import free_port
from tests.scenarios import stranger
from tests.studies import tiny_study

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user"),
]
RESPSWEEP = Path(sys.executable).with_name("respsweep")
LISTEN = "0A"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
"""127.0.0.1, the same in IPv6, and ::1, as the kernel writes them."""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that everybody can enter, unlike pytest's own, for all that a study makes under a usual umask."""
    with tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        monkeypatch.setenv("HOME", folder)
        monkeypatch.setenv("RESPSWEEP_CACHE", f"{folder}/cache")
        monkeypatch.setenv("RAY_TMPDIR", folder)
        monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
        monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct-horse-battery")
        before = os.umask(0o022)
        yield Path(folder)
        os.umask(before)


@contextlib.contextmanager
def running(home: Path, *arguments: object) -> Iterator[subprocess.Popen[bytes]]:
    with (home / "log").open("ab") as log:
        process = subprocess.Popen([RESPSWEEP, *map(str, arguments)], stdout=log, stderr=log, cwd=home)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(120)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def family(driver: subprocess.Popen[bytes]) -> list[Process]:
    return [Process(driver.pid), *Process(driver.pid).children(recursive=True)]


def listening(processes: list[Process]) -> dict[tuple[str, int], str]:
    """Addresses and ports on which processes listen, as the kernel lists them, with the name of the process."""
    owners = {}
    for process in processes:
        with contextlib.suppress(OSError, NoSuchProcess):
            for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                with contextlib.suppress(OSError):
                    owners[os.readlink(descriptor)] = process.name()
    found = {}
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].split(":")
            if fields[3] == LISTEN and f"socket:[{fields[9]}]" in owners:
                found[address, int(port, 16)] = owners[f"socket:[{fields[9]}]"]
    return found


def wait_for(what: str, happened: object) -> None:
    deadline = time.monotonic() + 600
    while not happened():  # type: ignore[operator]
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.2)


def test_nobody_else_gets_into_a_running_study_or_its_ui(home: Path) -> None:
    space = home / "space.yaml"
    space.write_text(
        yaml.safe_dump(tiny_study(1000, budget={"configurations": 1}, resources={"concurrent": 1}))
    )
    folder = StudyFolder.at(home / "studies", "one")
    port = free_port()
    place = "--studies", home / "studies"
    with running(home, "run", space, "--name", "one", *place) as driver:

        def trains() -> bool:
            assert driver.poll() is None, (home / "log").read_text()
            return folder.journal.exists() and b"EpochReported" in folder.journal.read_bytes()

        wait_for("epoch", trains)
        # Ray's slowest process opens the port for jobs.
        wait_for("job API", lambda: any("Dashboard" in name for name in listening(family(driver)).values()))
        with running(home, "ui", "one", *place, "--port", port) as ui:
            wait_for("UI", lambda: answers(port, ui, home))
            sockets = listening(family(driver))
            served = listening(family(ui))
            assert {address for address, _ in sockets} <= LOOPBACK, sockets
            assert {address for address, _ in served} <= LOOPBACK, served
            assert {"gcs_server", "raylet"} <= set(sockets.values())

            (gcs,) = (port for (_, port), name in sockets.items() if name == "gcs_server")
            named = [path for path in home.rglob("*") if path.is_socket()]
            assert named
            inside = [
                folder.path,
                folder.units,
                home / "studies",
                home / "cache",
                home / f"ray-{os.getuid()}",
            ]
            doors = {
                "folders": [str(path) for path in inside],
                "sockets": [str(path) for path in named],
                "ports": [port for _, port in sockets],
                "gcs": gcs,
                "ui": f"http://127.0.0.1:{port}",
            }
            tried = subprocess.run(
                [sys.executable, stranger.__file__, json.dumps(doors)], capture_output=True, text=True
            )
            assert tried.returncode == 0, tried.stderr
            assert json.loads(tried.stdout) == []

            # The token is in no file and no list of processes, and files would be private outside their folder too.
            token = Process(driver.pid).children()[0].environ().get("RAY_AUTH_TOKEN") or next(
                process.environ()["RAY_AUTH_TOKEN"]
                for process in family(driver)
                if process.name() == "raylet"
            )
            assert len(token) == 64
            assert not [process for process in family(driver) if token in " ".join(process.cmdline())]
            kept = [path for path in home.rglob("*") if path.is_file() and not path.is_symlink()]
            assert not [path for path in kept if token.encode() in path.read_bytes()]
            for name in ("study.yaml", "provenance.yaml", "journal.jsonl", "mlflow.db"):
                assert mode(folder.path / name) == 0o600, name


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def answers(port: int, ui: subprocess.Popen[bytes], home: Path) -> bool:
    assert ui.poll() is None, (home / "log").read_text()
    with contextlib.suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5):
        return True
    return False
