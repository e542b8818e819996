"""This machine, or what a batch job has of it, as a node of the Ray that a driver elsewhere has started."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from sweep.execution.head_file import Head
from sweep.execution.ray_doors import AUTH_MODE, AUTH_TOKEN, NO_METRICS, ray_folder
from sweep.execution.ray_environment import ENVIRONMENT
from sweep.execution.this_machine import gpu_slices, processors

GPUS_OF_A_JOB = "SLURM_JOB_GPUS", "SLURM_GPUS_ON_NODE", "SLURM_STEP_GPUS", "GPU_DEVICE_ORDINAL"
"""What SLURM sets in a job that was given GPUs."""
END_S = 5.0
ASKED, ASK_AGAIN_S = 3, 1.0
"""How often a driver is asked before a drain, and the seconds between: it may have been busy for that moment."""
LAST_WORDS = 1000


class JoinedNode:
    """Runs Ray on this machine for one head, in a session of processes of its own, until the head or we end it."""

    def __init__(self, head: Head, *, cpus: int | None = None, gpus: float | None = None) -> None:
        """Start joining; `alive` says whether that, or the node, still lasts.

        `cpus`, `gpus`: what it offers to units; None: the processors that this process may use, and the GPUs that Ray
        sees (CUDA_VISIBLE_DEVICES), of which a SLURM job without GPUs has none. Raises ExecutorError for a temporary
        folder that cannot be used.
        """
        self.head = head
        self.name = f"worker-{uuid.uuid4().hex[:12]}"
        self._folder = Path(ray_folder(f"w{self.name[-6:]}"))
        gpus = gpus_of_this_job() if gpus is None else gpus
        words = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--disable-usage-stats"),
            *("--address", head.address, "--node-name", self.name, "--temp-dir", str(self._folder)),
            *("--num-cpus", str(processors() if cpus is None else cpus)),
            *([] if gpus is None else ["--num-gpus", f"{gpus:g}"]),
            *("--dashboard-agent-listen-port", "0", "--metrics-export-port", "0"),
            *("--include-log-monitor", "false"),
        ]
        environment = {
            **os.environ,
            **ENVIRONMENT,
            **NO_METRICS,
            AUTH_MODE: "token",
            AUTH_TOKEN: head.token,
            # Ray notes the cluster that a machine has joined below it, where another user's note may lie otherwise.
            "RAY_TMPDIR": str(self._folder.parent),
        }
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 (closed by `end`)
        self._process = subprocess.Popen(
            words,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._told,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    @property
    def alive(self) -> bool:
        """Whether the node's processes run, joined already or not."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Read the end of what Ray said as it joined, for a person who asks why it did not."""
        self._told.seek(0)
        return self._told.read().decode(errors="replace")[-LAST_WORDS:].strip()

    def drain(self, seconds: float, why: str) -> bool:
        """Have the units on this node save where they are and leave within `seconds`; False when the driver is away.

        An idle node ends once its last unit has left. Imports Ray.
        """
        from sweep.execution.drain import drain_node

        deadline = time.monotonic() + seconds
        for again in range(ASKED):
            if self.head.proves_itself():
                left = max(0.0, deadline - time.monotonic())
                return drain_node(self.head.address, self.head.token, self.name, left, why)
            if again < ASKED - 1:
                time.sleep(ASK_AGAIN_S)
        return False

    def wait(self, seconds: float) -> bool:
        """Wait until the node has ended by itself, `seconds` at most; whether it has."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)
        return not self.alive

    def end(self) -> None:
        """End all processes of the node, and remove their folder. May be called again."""
        # Of a process that has ended, the number may be another one's by now.
        family = _descendants(self._process.pid) if self.alive else []
        for number, seconds in ((signal.SIGTERM, END_S), (signal.SIGKILL, END_S)):
            self._process.send_signal(number)
            family = [pid for pid in family if _runs(pid)]
            _signal(family, number)
            deadline = time.monotonic() + seconds
            self.wait(seconds)
            while any(map(_runs, family)) and time.monotonic() < deadline:
                time.sleep(0.1)
        shutil.rmtree(self._folder, ignore_errors=True)
        self._told.close()


def gpus_of_this_job() -> float | None:
    """Say 0 in a SLURM job that was given no GPU; elsewhere the slices (MIG) it names, or None: whatever Ray sees.

    A site that does not confine jobs shows them all GPUs of the machine.
    """
    if "SLURM_JOB_ID" not in os.environ or any(os.environ.get(name) for name in GPUS_OF_A_JOB):
        return gpu_slices()
    return 0.0


def _descendants(pid: int) -> list[int]:
    """List the processes that descend from one, by what /proc tells now; their parents may be gone when they end."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    found, open_ = [], [pid]
    while open_:
        below = children.get(open_.pop(), [])
        found += below
        open_ += below
    return found


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def _signal(pids: list[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
