"""A study on a real SLURM as its user has it: begun and watched with `respsweep cluster` alone, and what came of it."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.folder.study_folder import StudyFolder
from sweep.report.device_time import device_times
from sweep.study.board import Board
from sweep.study.events import UnitLost
from tests.scenarios.cluster.hosts import STORAGE
from tests.scenarios.slurm.slurm import RESPSWEEP, SlurmLab, running_slurm
from tests.studies import curves

NOT_NICE = "export RAY_worker_niceness=0"
"""Ray gives workers the lowest priority but four, and they would starve beside other work of this machine."""
SITE = {
    "notice_s": 30,
    "driver_memory": None,
    "driver_cpus": 1,
    "cpus": 1,
    "time": "10:00",
    "driver_time": "20:00",
    "setup": [NOT_NICE],
}
"""What `slurm.yaml` says of the lab."""


@contextlib.contextmanager
def running_studies(folder: Path, space: Mapping[str, Any], **settings: Any) -> Iterator[SlurmLab]:
    """A SLURM with control groups, as most clusters have, and on the storage that all hosts see a study's file.

    Beside that lie the recordings that it trains on, and `slurm.yaml`. `settings`: those of SlurmLab.
    """
    with running_slurm(folder, tracking="cgroup", kill_wait_s=30, **settings) as slurm:
        place = slurm.lab.shared
        slurm.run(f"{RESPSWEEP} synth {STORAGE}/breaths --patients 12")
        (place / "space.yaml").write_text(yaml.safe_dump({**space, "data": f"{STORAGE}/breaths"}))
        (place / "slurm.yaml").write_text(yaml.safe_dump(SITE))
        yield slurm


def undisturbed_curves(slurm: SlurmLab, seconds: int = 600) -> dict[tuple[Any, ...], Any]:
    """The curves of the same study on one host, without SLURM, which must not take more than so many seconds."""
    words = f"{NOT_NICE} && cd {STORAGE} && {RESPSWEEP} run space.yaml --name alone --studies {STORAGE}/alone"
    slurm.lab.hosts["one"].run(words, timeout=seconds, check=True)
    return curves(StudyFolder(slurm.lab.shared / "alone" / "alone").board())


@dataclass
class Study:
    """A study that runs on SLURM, as seen from the machine of this test."""

    slurm: SlurmLab
    name: str
    user: str | None = None

    def begin(self, *options: str) -> None:
        """Submit driver and workers as a user would, from the login host."""
        words = " ".join(("space.yaml", "--name", self.name, "--submit", *options))
        self.command(f"slurm {words}")

    def command(self, words: str) -> str:
        """What a `respsweep cluster` command prints on the login host."""
        return self.slurm.run(
            f"cd {STORAGE} && {RESPSWEEP} cluster {words} --studies {self.studies}", self.user
        )

    @property
    def studies(self) -> str:
        return f"{STORAGE}/studies-{self.user or 'root'}"

    @property
    def folder(self) -> StudyFolder:
        return StudyFolder(self.slurm.lab.shared / Path(self.studies).name / self.name)

    @property
    def board(self) -> Board:
        return self.folder.board()

    def losses(self) -> list[UnitLost]:
        return [event for event in self.folder.events() if isinstance(event, UnitLost)]

    def jobs(self, role: str) -> dict[str, str]:
        """States of the study's jobs in a role that wait or run, by their ids: those of workers are ARRAY_TASK."""
        listed = self.slurm.run("squeue --noheader --array --format='%i %j %T'").splitlines()
        found = [line.split() for line in listed]
        return {
            id_: state for id_, name, state in found if re.fullmatch(f"respsweep-{self.name}-.*-{role}", name)
        }

    def running(self, role: str) -> list[str]:
        return [id_ for id_, state in self.jobs(role).items() if state == "RUNNING"]

    def wait_for(self, what: str, look: Callable[[], Any], seconds: float = 300) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := self.folder.exists and look()):
            if time.monotonic() > deadline:
                logs = sorted(
                    self.slurm.lab.shared.glob(f"{Path(self.studies).name}/.slurm/{self.name}/*.log")
                )
                told = "\n".join(f"{path.name}: {path.read_text()[-1500:]}" for path in logs)
                pytest.fail(f"{what}: not within {seconds:.0f} s\n{self.slurm.run('squeue --long')}\n{told}")
            time.sleep(0.5)
        return found

    def wait_for_units(self, number: int) -> None:
        """Until so many units are in an epoch at the same time."""
        self.wait_for(
            f"{number} units under way",
            lambda: sum(bool(u.curve) and not u.over for u in self.board.units()) >= number,
        )

    def check(self, undisturbed: dict[tuple[Any, ...], Any]) -> None:
        """It ends by itself, with the board of an undisturbed study, and leaves no job and no process behind."""
        self.wait_for("the end of the study", lambda: self.board.stopped == "over", 600)
        self.wait_for("the end of all jobs", lambda: not self.jobs("driver") and not self.jobs("worker"), 120)
        assert curves(self.board) == undisturbed
        assert all(unit.failures == 0 for unit in self.board.units())
        assert self.processes() == []

    def processes(self) -> list[str]:
        """What runs of respsweep and Ray on the nodes, each line with the node's name before it."""
        return [
            f"{name}: {line}"
            for name in self.slurm.workers
            for line in self.slurm.lab.hosts[name].processes()
            if "ray" in line or "respsweep" in line
        ]

    def end_jobs(self) -> None:
        """Cancel what is still there of it, so that nothing of a study that went wrong is in the way of the next."""
        there = [*self.jobs("driver"), *self.jobs("worker")]
        if there:
            self.slurm.run(f"scancel {' '.join(there)}")

    def lost(self) -> float:
        """Share of the time on devices that had to be spent again."""
        return self.lost_s() / self.held_s()

    def lost_s(self) -> float:
        """Seconds on devices that had to be spent again."""
        return sum(account.lost_s for account in device_times(self.board, time.time()))

    def held_s(self) -> float:
        """Seconds for which units held their devices."""
        return sum(account.held_s for account in device_times(self.board, time.time()))

    def dead_s(self, cuts: Iterable[tuple[str, float]]) -> float:
        """Seconds of what was lost in which a node had no power, before Ray noticed: of each cut the node and when."""
        return sum(
            attempt.ended - max(at, attempt.heard)
            for node, at in cuts
            for unit in self.board.units()
            for attempt in unit.attempts
            if attempt.node.partition("/")[0] == self.slurm.lab.hosts[node].address
            and attempt.ended is not None
            and attempt.started < at < attempt.ended
        )
