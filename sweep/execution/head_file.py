"""Where the driver of a study is met: a file in the study's folder that machines which come by themselves look for."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from data.atomic import write_whole
from data.json_text import parse_json
from sweep.execution.errors import ExecutorError
from sweep.execution.head_proof import is_proved

FILE = "head.json"


@dataclass(frozen=True)
class Head:
    """The Ray of a running driver: its address (HOST:PORT) and token, the driver's host and process, and since when.

    `proof`: where the driver proves that the file is its own (HOST:PORT). `since` is in seconds since 1970 by the clock
    of that host. `job` is the driver's SLURM job, empty without SLURM.
    """

    address: str
    token: str
    proof: str
    host: str
    pid: int
    since: float
    job: str = ""

    @classmethod
    def here(cls, address: str, token: str, proof: str) -> Head:
        """Describe the Ray that this process has started, and vouches for at `proof` (`HeadProof`)."""
        job = os.environ.get("SLURM_JOB_ID", "")
        return cls(address, token, proof, socket.gethostname(), os.getpid(), time.time(), job)

    def proves_itself(self) -> bool:
        """Whether the driver lives and is the one that wrote the file; nobody is sent the token before."""
        return is_proved(self.proof, self.address, self.token)


_HEAD = TypeAdapter(Head)


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
        return _read(folder)
    except OSError:
        return None


def has_let_go(folder: Path, head: Head) -> bool:
    """Whether a driver's file is gone, or another's by now; False while the shared folder does not answer."""
    try:
        return _read(folder) != head
    except FileNotFoundError:
        return True
    except OSError:
        return False


def _read(folder: Path) -> Head | None:
    content = (folder / FILE).read_bytes()
    try:
        return _HEAD.validate_python(parse_json(content))
    except ValueError:
        return None


def remove_head(folder: Path, head: Head) -> None:
    """Remove the file, unless it is another driver's by now."""
    if read_head(folder) == head:
        with contextlib.suppress(OSError):
            (folder / FILE).unlink()
