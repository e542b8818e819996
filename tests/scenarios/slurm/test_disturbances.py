"""Studies on a real SLURM, each disturbed at random: it ends with the board of an undisturbed one, and leaves nothing.

`benchmarks/slurm.py` runs more of them and makes a table.
"""

from __future__ import annotations

import json
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.scenarios.cluster.hosts import STORAGE
from tests.scenarios.slurm.slurm import SlurmLab
from tests.scenarios.slurm.study import Study, running_studies, undisturbed_curves
from tests.studies import curves, tiny_study

SEEDS = range(
    int(os.environ.get("RESPSWEEP_SLURM_FIRST", "0")),
    int(os.environ.get("RESPSWEEP_SLURM_FIRST", "0")) + int(os.environ.get("RESPSWEEP_SLURM_STUDIES", "1")),
)
"""A study for each, for `benchmarks/slurm.py`."""
TABLE = os.environ.get("RESPSWEEP_SLURM_TABLE")
"""A file that takes a line of JSON for each study, for `benchmarks/slurm.py`."""
AT_A_TIME = 3
"""Disturbances of one study."""
EPOCHS = int(os.environ.get("RESPSWEEP_SLURM_EPOCHS", "30"))
"""Of each of the four units; the time between disturbances grows with it."""
SPACE = tiny_study(
    EPOCHS,
    search={"optimiser.learning_rate": {"type": "categorical", "choices": [0.0005, 0.001]}},
    sampler={"name": "grid"},
)
END_S = 30 * EPOCHS
pytestmark = [pytest.mark.long, pytest.mark.timeout(600 + END_S)]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmLab]:
    """Nodes of two processors, so that the jobs of a study are on more than one, and those of a dead one find room."""
    with running_studies(tmp_path_factory.mktemp("slurm"), SPACE, cpus=2, gpus=0) as slurm:
        (slurm.lab.shared / "urgent.sh").write_text("#!/bin/bash\nsleep 5\n")
        yield slurm


@pytest.fixture(scope="module")
def undisturbed(slurm: SlurmLab) -> dict[tuple[Any, ...], Any]:
    return undisturbed_curves(slurm, END_S)


@dataclass
class Disturbed:
    """A study, and what strikes it."""

    study: Study
    chance: random.Random
    cuts: list[tuple[str, float]] = field(default_factory=list)
    """Nodes that lost power, and when."""

    @property
    def slurm(self) -> SlurmLab:
        return self.study.slurm

    def a_job(self, role: str) -> str | None:
        """One of the study's jobs that run; None where there is none just now."""
        running = sorted(self.study.running(role))
        return self.chance.choice(running) if running else None

    def node_of(self, job: str) -> str:
        return self.slurm.facts(job)["NodeList"]

    def wait_for_epochs(self, more: int) -> bool:
        """Wait until so many more epochs are in the journal; False when the study is over by then."""
        until = self._epochs() + more
        self.study.wait_for(
            f"epoch {until}", lambda: self._epochs() >= until or self.study.board.stopped == "over", END_S
        )
        return self.study.board.stopped != "over"

    def _epochs(self) -> int:
        journal = self.study.folder.journal
        return journal.read_bytes().count(b'"EpochReported"') if journal.exists() else 0

    def shorten(self, job: str) -> bool:
        """Set the time of a running job so that it ends soon: to two minutes, or more where it runs longer already.

        False for a job that is about to end by something else, as one that is just being preempted.
        """
        hours, minutes, seconds = map(int, self.slurm.facts(job)["RunTime"].rpartition("-")[2].split(":"))
        ran_s = 3600 * hours + 60 * minutes + seconds
        limit = f"scontrol update JobId={job} TimeLimit={max(2, (ran_s + 89) // 60)}"
        return self.slurm.login.run(limit).returncode == 0

    def lose_power(self, node: str) -> None:
        """Cut a node's power, and switch it on again once SLURM holds it for dead."""
        self.cuts.append((node, time.time()))
        self.slurm.kill_node(node)
        self.slurm.wait_for(f"the end of {node}", lambda: self.slurm.nodes()[node].startswith("DOWN"), 120)
        self.slurm.start_node(node)


def preempt(disturbed: Disturbed, job: str) -> bool:
    slurm, node = disturbed.slurm, disturbed.node_of(job)
    slurm.submit(f"{STORAGE}/urgent.sh", options=["--partition=high", f"--nodelist={node}", "--exclusive"])
    return True


def end_of_time(disturbed: Disturbed, job: str) -> bool:
    """Let SLURM itself tell a job that its time is nearly up, and wait until it goes back into the queue."""
    slurm, study = disturbed.slurm, disturbed.study
    before = slurm.facts(job)["Restarts"]
    if not disturbed.shorten(job):
        return False
    study.wait_for(
        f"the requeue of {job}",
        lambda: slurm.facts(job)["Restarts"] != before or study.board.stopped == "over",
    )
    return True


def end_of_drivers_time(disturbed: Disturbed, job: str) -> bool:
    struck = end_of_time(disturbed, job)
    # Its next job would be as short.
    disturbed.slurm.login.run(f"scontrol update JobId={job} TimeLimit=20")
    return struck


def cut_power(disturbed: Disturbed, job: str) -> bool:
    disturbed.lose_power(disturbed.node_of(job))
    return True


def cancel(disturbed: Disturbed, job: str) -> bool:
    disturbed.slurm.run(f"scancel {job}")
    return True


def cancel_driver(disturbed: Disturbed, job: str) -> bool:
    """Nobody requeues what was cancelled: its user calls the same command again."""
    cancel(disturbed, job)
    study = disturbed.study
    study.wait_for("the end of the driver", lambda: not study.jobs("driver"))
    study.begin("--workers", "1")
    return True


DISTURBANCES: dict[str, tuple[str, Callable[[Disturbed, str], bool]]] = {
    "worker preempted": ("worker", preempt),
    "worker's time": ("worker", end_of_time),
    "worker's node": ("worker", cut_power),
    "worker cancelled": ("worker", cancel),
    "driver cancelled": ("driver", cancel_driver),
    "driver's time": ("driver", end_of_drivers_time),
    "driver's node": ("driver", cut_power),
}
"""What may happen, and to the job of which role; each says whether it struck."""


def note(**row: object) -> None:
    if TABLE is not None:
        with Path(TABLE).open("a") as table:
            table.write(json.dumps(row) + "\n")


@pytest.mark.parametrize("seed", SEEDS)
def test_a_study_that_is_disturbed_at_random_ends_as_one_that_was_not(
    slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any], seed: int
) -> None:
    study = Study(slurm, f"seed{seed}")
    disturbed = Disturbed(study, random.Random(seed))
    told: dict[str, Any] = {"seed": seed, "struck": [], "equal": False}
    begun = time.monotonic()
    try:
        study.begin("--workers", "3")
        disturbed.wait_for_epochs(1)
        assert re.search(r"driver on \w+, job \d+: [123] workers?", study.command(f"status {study.name}"))
        disturb(disturbed, told["struck"])
        study.wait_for("the end of the study", lambda: study.board.stopped == "over", END_S)
        told["seconds"] = time.monotonic() - begun
        study.wait_for(
            "the end of all jobs", lambda: not study.jobs("driver") and not study.jobs("worker"), 150
        )
        board, left = study.board, study.processes()
        told |= {
            "drivers": len(board.drivers),
            "equal": curves(board) == undisturbed and not any(unit.failures for unit in board.units()),
            "lost_s": study.lost_s(),
            "dead_s": study.dead_s(disturbed.cuts),
            "held_s": study.held_s(),
            "left": len(left),
        }
    finally:
        note(**told)
        study.end_jobs()
    assert curves(board) == undisturbed
    assert all(unit.failures == 0 for unit in board.units())
    assert left == []


def disturb(disturbed: Disturbed, struck: list[str]) -> None:
    """Strike a study, each time after some epochs more, and note in `struck` what did before the study was over."""
    chance = disturbed.chance
    for name in chance.sample(list(DISTURBANCES), AT_A_TIME):
        if not disturbed.wait_for_epochs(chance.randint(EPOCHS // 10, 2 * EPOCHS // 3)):
            break
        time.sleep(chance.uniform(0, 0.5))
        role, strike = DISTURBANCES[name]
        job = disturbed.a_job(role)
        if job is not None and strike(disturbed, job):
            struck.append(name)
