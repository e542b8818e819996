"""A real SLURM on hosts of our own making: a controller, and nodes that run jobs, lose power, and come back.

SLURM's own files lie where Debian puts them, but only for these hosts: each has the unpacked packages laid over its
/usr, and this lab's settings over its /etc. So `sbatch`, `squeue`, `scancel`, `scontrol`, `sinfo` and `srun` are on
the PATH of every host and of every job. There is no munge: whoever a client says it is, it is.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import pytest

from tests.scenarios.cluster.hosts import (
    HOME,
    REPOSITORY,
    Host,
    HostsError,
    Lab,
    install_python,
    install_what_hosts_need,
    quoted,
)
from tests.scenarios.slurm.packages import NoSlurm, overlay, unpacked_slurm
from tests.scenarios.slurm.settings import CONTROLLER, OTHER, OTHER_HOME, OTHER_ID, SlurmSettings

Found = TypeVar("Found")
WORKERS = ("one", "two", "three")
RESPSWEEP = f"{HOME}/respsweep/.venv/bin/respsweep"
"""On every host and for every user: the command, with this clone's sources and the libraries of this test."""
FREEZER = Path("/sys/fs/cgroup/freezer")
OVER = {"BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "TIMEOUT"}
"""States of jobs that SLURM does not start again."""


@contextlib.contextmanager
def running_slurm(folder: Path, **settings: Any) -> Iterator[SlurmLab]:
    """A SlurmLab with these settings that runs meanwhile. Skips the test, saying why, where it cannot be had."""
    try:
        install_what_hosts_need()
        unpacked_slurm()
    except (HostsError, NoSlurm) as error:
        pytest.skip(str(error))
    slurm = SlurmLab(folder, **settings)
    try:
        try:
            slurm.start()
        except NoSlurm as error:
            pytest.skip(str(error))
        yield slurm
    finally:
        slurm.stop()


@dataclass
class SlurmLab:
    """One host with slurmctld, from which jobs are submitted, and one with slurmd for each of `workers`.

    Two partitions lie over all nodes: jobs of `high` requeue those of `low`, the default. SLURM is slow about it: what
    srun started gets a SIGTERM at once, the batch shell `grace_s` seconds later. Any job, once its batch shell has got
    a SIGTERM, is killed after `kill_wait_s` seconds; if it is to be requeued it starts again ten seconds later.

    Each node offers `cpus` processors and `gpus` GPUs, whatever this machine has. `tracking`: how SLURM finds a job's
    processes. With linuxproc its SIGTERM reaches all of them; with cgroup, which most clusters have, the batch shell
    and what srun started. `more_settings`: lines for the end of slurm.conf.
    """

    folder: Path
    workers: Sequence[str] = WORKERS
    cpus: int = 4
    gpus: int = 2
    grace_s: int = 10
    kill_wait_s: int = 10
    tracking: Literal["linuxproc", "cgroup"] = "linuxproc"
    more_settings: str = ""
    _daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.lab = Lab(self.folder)

    def start(self) -> None:
        """Switch all hosts on; every node is idle when this returns. Raises NoSlurm, HostsError."""
        software = unpacked_slurm()
        settings = SlurmSettings(
            self.workers,
            cpus=self.cpus,
            gpus=self.gpus,
            grace_s=self.grace_s,
            kill_wait_s=self.kill_wait_s,
            tracking=self.tracking,
            more=self.more_settings,
        )
        for name in (CONTROLLER, *self.workers):
            settings.write(self.folder / name / "etc")
        self.lab.at_boot = _at_boot(software) + self._groups_at_boot()
        self.lab.start(CONTROLLER, *self.workers)
        home = self.lab.shared / "home" / OTHER
        home.mkdir(parents=True)
        os.chown(home, OTHER_ID, OTHER_ID)
        for host in self.lab.hosts.values():
            install_python(host, str(REPOSITORY))
        self.start_controller()
        for name in self.workers:
            self._start_slurmd(name)
        self.wait_for("idle nodes", lambda: set(self.nodes().values()) == {"IDLE"}, 60)

    def stop(self) -> None:
        """Switch all hosts off, which ends whatever runs on them."""
        self.lab.stop()
        for daemon in self._daemons.values():
            daemon.wait(timeout=30)
        for group, _, _ in os.walk(self._groups, topdown=False):
            os.rmdir(group)

    @property
    def login(self) -> Host:
        """The host with slurmctld."""
        return self.lab.hosts[CONTROLLER]

    def submit(
        self,
        script: Path | str,
        user: str | None = None,
        options: Sequence[str] = (),
        arguments: Sequence[object] = (),
    ) -> int:
        """Submit a script, a path as hosts see it, with options of sbatch; its job's number. Raises HostsError."""
        said = self.run(quoted("sbatch", "--parsable", *options, script, *arguments), user)
        return int(said.strip().split(";")[0])

    def run(self, command: str, user: str | None = None, host: str = CONTROLLER) -> str:
        """What a shell command prints, run in the home of its user, root or OTHER. Raises HostsError if it fails."""
        if user is None:
            return self.lab.hosts[host].run(command, check=True).stdout
        become = f"setpriv --reuid={user} --regid={user} --init-groups env HOME={OTHER_HOME} USER={user}"
        there = quoted("bash", "-c", f"cd {OTHER_HOME} && {command}")
        return self.lab.hosts[host].run(f"{become} {there}", check=True).stdout

    def job(self, number: int | str) -> str:
        """The state of a job, as scontrol writes it: PENDING, RUNNING, COMPLETED, TIMEOUT, NODE_FAIL ..."""
        return self.facts(number)["JobState"]

    def facts(self, number: int | str) -> dict[str, str]:
        """Everything that `scontrol show job` tells of a job: Reason, NodeList, Restarts, ExitCode, EndTime ..."""
        return dict(re.findall(r"(\S+?)=(\S*)", self.run(f"scontrol --oneliner show job {number}")))

    def nodes(self) -> dict[str, str]:
        """The state of each node: IDLE, MIXED, ALLOCATED, DOWN ...; a star behind it says that it does not answer."""
        listed = self.run("scontrol --oneliner show nodes")
        return dict(re.findall(r"NodeName=(\S+) .*?State=(\S+)", listed))

    def wait_for_state(self, number: int, *states: str, seconds: float = 60) -> str:
        """The state of the job, once that is one of `states`; fails the test if it does not come, or never can."""

        def reached() -> str | None:
            state = self.job(number)
            if state in states:
                return state
            if state in OVER:
                pytest.fail(f"job {number} is over: {self.facts(number)}")
            return None

        return self.wait_for(f"{' or '.join(states)} of job {number}", reached, seconds)

    def wait_for(self, what: str, look: Callable[[], Found | None], seconds: float = 60) -> Found:
        """What `look` finds, once that is true. Fails the test, with what SLURM says of itself, if it is too late."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            for name, daemon in self._daemons.items():
                if daemon.poll() is not None:
                    pytest.fail(f"the daemon of SLURM on {name} ended:\n{self.log(name)}")
            if time.monotonic() > deadline:
                state = self.login.run("sinfo --long --Node; squeue --long").stdout
                pytest.fail(f"{what}: not within {seconds:.0f} s\n{state}\n{self.log(CONTROLLER)}")
            time.sleep(0.2)
        return found

    def kill_node(self, name: str) -> None:
        """A power cut: its cable first, then all that runs on it. SLURM holds it for DOWN some seconds later."""
        self.lab.hosts[name].kill()
        self._daemons.pop(name).wait(timeout=30)

    def start_node(self, name: str) -> None:
        """Switch a host on again; it is a node again when this returns."""
        self.lab.hosts[name].start()
        self._start_slurmd(name)
        # A job that waited for a node may have it at once.
        ready = {"IDLE", "MIXED", "ALLOCATED"}
        self.wait_for(f"{name} as a node again", lambda: self.nodes()[name] in ready)

    def start_controller(self) -> None:
        """Start slurmctld, with the state that an earlier one left on its disk."""
        self._daemons[CONTROLLER] = self._daemon(self.login, "slurmctld -D")
        self.wait_for("slurmctld", lambda: self.login.run("scontrol ping").returncode == 0)

    def stop_controller(self) -> None:
        """End slurmctld, as for an update: jobs go on, and commands of SLURM fail meanwhile."""
        self.run("scontrol shutdown slurmctld")
        self._daemons.pop(CONTROLLER).wait(timeout=60)

    def log(self, host: str) -> str:
        """The end of what the daemon on a host logged."""
        path = self.lab.hosts[host].folder / "slurm.log"
        return path.read_text()[-4000:] if path.exists() else ""

    def _start_slurmd(self, name: str) -> None:
        self._daemons[name] = self._daemon(self.lab.hosts[name], "slurmd -D")

    def _daemon(self, host: Host, command: str) -> subprocess.Popen[bytes]:
        return host.popen(f"exec {command}", host.folder / "slurm.log")

    @property
    def _groups(self) -> Path:
        """Where the control groups of these hosts lie, each host's in a folder of its own."""
        return FREEZER / f"respsweep-{os.getpid()}-{self.folder.name}"

    def _groups_at_boot(self) -> str:
        """What a host runs to have control groups that no other host sees. Raises NoSlurm where that cannot be."""
        if self.tracking != "cgroup":
            return ""
        if not (FREEZER / "cgroup.procs").exists():
            raise NoSlurm(f"SLURM's control groups of version 1 need {FREEZER}, which this machine lacks")
        own = f"{self._groups}/$(hostname)"
        return f"mkdir -p {own}\nmount --bind {own} {FREEZER}\n"


def _at_boot(software: Path) -> str:
    """What a host runs to have SLURM and its users, and to show them the Python that runs this test."""
    lines = [
        overlay(software / "usr", "/usr"),
        overlay(Path("/mnt/disk/etc"), "/etc"),
        "chmod 1777 /tmp",
        "mkdir -p /mnt/disk/slurm/state /mnt/disk/slurm/spool",
        "chmod 755 /mnt/disk/slurm /mnt/disk/slurm/spool",
        *_opened_to_all({REPOSITORY, Path(sys.prefix), Path(sys.base_prefix)}),
    ]
    return "\n".join(lines) + "\n"


def _opened_to_all(paths: set[Path]) -> list[str]:
    """Shell that puts an empty folder, with these paths in it, in place of one that only root may enter, as /root."""
    closed = {
        path: parent
        for path in paths
        for parent in reversed(path.parents)
        if not parent.is_relative_to("/tmp") and not parent.stat().st_mode & stat.S_IXOTH
    }
    keep = [f"mkdir -p /mnt/opened{path}; mount --bind {path} /mnt/opened{path}" for path in closed]
    empty = [f"mount -t tmpfs -o mode=755 tmpfs {parent}" for parent in set(closed.values())]
    show = [f"mkdir -p {path}; mount --bind /mnt/opened{path} {path}" for path in closed]
    return [*keep, *empty, *show]
