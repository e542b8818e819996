"""A study on a real SLURM, by `respsweep cluster slurm` alone: jobs end and come back, and the board is undisturbed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
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
from tests.scenarios.slurm.settings import OTHER
from tests.scenarios.slurm.slurm import RESPSWEEP, SlurmLab, running_slurm
from tests.studies import curves, tiny_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SPACE = tiny_study(
    40,
    data=f"{STORAGE}/breaths",
    search={"optimiser.learning_rate": {"type": "categorical", "choices": [0.0005, 0.001]}},
    sampler={"name": "grid"},
)
SITE = {
    "notice_s": 30,
    "driver_memory": None,
    "driver_cpus": 1,
    "cpus": 1,
    "time": "10:00",
    "driver_time": "20:00",
}
MOST_LOST = 0.03
"""Share of the time on devices that is lost by jobs which end."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmLab]:
    """A SLURM with control groups, as most clusters have, and recordings on the storage that all hosts see."""
    with running_slurm(tmp_path_factory.mktemp("slurm"), tracking="cgroup", kill_wait_s=30) as slurm:
        place = slurm.lab.shared
        slurm.run(f"{RESPSWEEP} synth {STORAGE}/breaths --patients 12")
        (place / "space.yaml").write_text(yaml.safe_dump(SPACE))
        (place / "slurm.yaml").write_text(yaml.safe_dump(SITE))
        (place / "whole_nodes.yaml").write_text(yaml.safe_dump({**SITE, "options": ["--exclusive"]}))
        yield slurm


@pytest.fixture(scope="module")
def undisturbed(slurm: SlurmLab) -> dict[tuple[Any, ...], Any]:
    """The curves of the same study on one host, without SLURM."""
    words = f"cd {STORAGE} && {RESPSWEEP} run space.yaml --name alone --studies {STORAGE}/alone"
    slurm.lab.hosts["one"].run(words, timeout=600, check=True)
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
        """States of the study's jobs in a role that wait or run, by their ids."""
        listed = self.slurm.run("squeue --noheader --array --format='%A %j %T'").splitlines()
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
        for name in self.slurm.workers:
            left = [
                line
                for line in self.slurm.lab.hosts[name].processes()
                if "ray" in line or "respsweep" in line
            ]
            assert left == [], f"left on {name}"

    def lost(self) -> float:
        """Share of the time on devices that had to be spent again."""
        accounts = device_times(self.board, time.time())
        return sum(account.lost_s for account in accounts) / sum(account.held_s for account in accounts)


def test_a_study_goes_on_as_the_time_of_workers_and_of_its_driver_is_up(
    slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]
) -> None:
    study = Study(slurm, "first")
    # One processor each, so that both have a unit.
    study.begin("--workers", "2")
    study.wait_for_units(2)
    told = study.command("status first")
    assert "RUNNING" in told
    assert re.search(r"driver on \w+, job \d+: [12] workers", told)

    # What SLURM sends when the time of a job is nearly up, and to whom: see test_slurm.py.
    worker = study.running("worker")[0]
    slurm.run(f"scancel --signal=USR1 --batch {worker}")
    study.wait_for("a unit that left", study.losses)
    assert "about to be taken back" in study.losses()[0].reason
    driver = study.running("driver")[0]
    slurm.run(f"scancel --signal=USR1 --batch {driver}")
    for job in (worker, driver):
        slurm.wait_for(
            "its return from the queue", lambda job=job: slurm.facts(int(job))["Restarts"] == "1", 120
        )
    study.check(undisturbed)
    assert len(study.board.drivers) == 2
    assert study.lost() <= MOST_LOST


@pytest.mark.long
def test_a_study_outlives_preemption(slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]) -> None:
    study = Study(slurm, "preempted")
    study.begin("--workers", "3")
    study.wait_for_units(2)
    (slurm.lab.shared / "urgent.sh").write_text("#!/bin/bash\nsleep 5\n")
    node = slurm.facts(int(study.running("worker")[0]))["NodeList"]
    slurm.submit(f"{STORAGE}/urgent.sh", options=["--partition=high", f"--nodelist={node}", "--exclusive"])
    study.wait_for("a unit that left", study.losses)
    study.check(undisturbed)


@pytest.mark.long
def test_a_study_outlives_a_node_that_loses_power(
    slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]
) -> None:
    study = Study(slurm, "powerless")
    study.begin("--workers", "2", "--site", "whole_nodes.yaml")
    study.wait_for_units(2)
    drives = slurm.facts(int(study.running("driver")[0]))["NodeList"]
    nodes = {slurm.facts(int(job))["NodeList"] for job in study.running("worker")} - {drives}
    dead = nodes.pop()
    slurm.kill_node(dead)
    study.wait_for("the loss of its unit", study.losses)
    slurm.start_node(dead)
    study.check(undisturbed)


@pytest.mark.long
def test_stopped_jobs_are_those_of_the_study_alone_and_it_goes_on_when_submitted_again(
    slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]
) -> None:
    (slurm.lab.shared / "others.sh").write_text("#!/bin/bash\nsleep 900\n")
    others = slurm.submit(f"{STORAGE}/others.sh")
    study = Study(slurm, "stopped")
    study.begin("--workers", "2")
    study.wait_for_units(1)
    told = study.command("stop stopped")
    assert told.count("ended: ") == 3
    assert not study.jobs("driver")
    assert not study.jobs("worker")
    assert slurm.job(others) == "RUNNING"
    assert study.board.stopped != "over"
    study.begin("--workers", "2")
    study.check(undisturbed)
    assert study.lost() <= MOST_LOST
    slurm.run(f"scancel {others}")


@pytest.mark.long
def test_two_studies_of_two_users_share_nodes(
    slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]
) -> None:
    for path in (slurm.lab.shared, slurm.lab.shared / "breaths"):
        path.chmod(0o777)
    mine, theirs = Study(slurm, "first-of-two"), Study(slurm, "first-of-two", OTHER)
    for study in (mine, theirs):
        study.begin("--workers", "2")
    for study in (mine, theirs):
        study.check(undisturbed)
