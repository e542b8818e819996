"""Where the driver of a study is met: a file in the study's folder that machines which come by themselves look for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from data.atomic import write_whole
from sweep.execution.errors import ExecutorError

FILE = "head.json"


@dataclass(frozen=True)
class Head:
    """The Ray of a running driver: its address (HOST:PORT) and token, the driver's host and process, and since when.

    `since` is in seconds since 1970 by the clock of that host. `job` is the driver's SLURM job, empty without SLURM.
    """

    address: str
    token: str
    host: str
    pid: int
    since: float
    job: str = ""

    @classmethod
    def here(cls, address: str, token: str) -> Head:
        """Describe the Ray that this process has started."""
        job = os.environ.get("SLURM_JOB_ID", "")
        return cls(address, token, socket.gethostname(), os.getpid(), time.time(), job)

    def answers(self, timeout_s: float = 5.0) -> bool:
        """Whether something listens at the address; nothing does after a driver that died."""
        host, _, port = self.address.rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=timeout_s).close()
        except (OSError, ValueError):
            return False
        return True


def write_head(folder: Path, head: Head) -> None:
    """Write the file in one step, readable by its owner alone. Raises ExecutorError when the folder refuses."""
    path = folder / FILE
    try:
        write_whole(path, f"{json.dumps(asdict(head), indent=1)}\n")
    except OSError as error:
        raise ExecutorError(
            f"{path}: cannot be written, so that no worker could find this driver: {error.strerror}"
        ) from error


def read_head(folder: Path) -> Head | None:
    """Read where the driver of the study in `folder` is met; None where there is no such file, or not one of ours."""
    try:
        content: Any = json.loads((folder / FILE).read_text(encoding="utf-8"))
        return Head(**content)
    except (OSError, ValueError, TypeError):
        return None


def remove_head(folder: Path, head: Head) -> None:
    """Remove the file, unless it is another driver's by now."""
    if read_head(folder) == head:
        with contextlib.suppress(OSError):
            (folder / FILE).unlink()
