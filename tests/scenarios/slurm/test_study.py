"""A study on a real SLURM, by `respsweep cluster slurm` alone: jobs end and come back, and the board is undisturbed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.scenarios.cluster.hosts import STORAGE
from tests.scenarios.slurm.settings import OTHER
from tests.scenarios.slurm.slurm import SlurmLab
from tests.scenarios.slurm.study import SITE, Study, running_studies, undisturbed_curves
from tests.studies import tiny_study

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]
SPACE = tiny_study(
    40,
    search={"optimiser.learning_rate": {"type": "categorical", "choices": [0.0005, 0.001]}},
    sampler={"name": "grid"},
)
MOST_LOST = 0.03
"""Share of the time on devices that is lost by jobs which end."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmLab]:
    with running_studies(tmp_path_factory.mktemp("slurm"), SPACE) as slurm:
        whole_nodes = {**SITE, "options": ["--exclusive"]}
        (slurm.lab.shared / "whole_nodes.yaml").write_text(yaml.safe_dump(whole_nodes))
        yield slurm


@pytest.fixture(scope="module")
def undisturbed(slurm: SlurmLab) -> dict[tuple[Any, ...], Any]:
    return undisturbed_curves(slurm)


def test_a_study_goes_on_as_the_time_of_workers_and_of_its_driver_is_up(
    slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]
) -> None:
    study = Study(slurm, "first")
    # One processor each, so that both have a unit.
    study.begin("--workers", "2")
    study.wait_for_units(2)
    told = study.command("status first")
    assert "RUNNING" in told
    assert re.search(r"driver on \w+, job \d+: [12] workers?", told)

    # What SLURM sends when the time of a job is nearly up, and to whom: see test_slurm.py.
    worker = study.running("worker")[0]
    slurm.run(f"scancel --signal=USR1 --batch {worker}")
    study.wait_for("a unit that left", study.losses)
    assert "about to be taken back" in study.losses()[0].reason
    driver = study.running("driver")[0]
    slurm.run(f"scancel --signal=USR1 --batch {driver}")
    for job in (worker, driver):
        slurm.wait_for("its return from the queue", lambda job=job: slurm.facts(job)["Restarts"] == "1", 120)
    study.check(undisturbed)
    assert len(study.board.drivers) == 2
    assert study.lost() <= MOST_LOST


@pytest.mark.long
def test_a_study_outlives_preemption(slurm: SlurmLab, undisturbed: dict[tuple[Any, ...], Any]) -> None:
    study = Study(slurm, "preempted")
    study.begin("--workers", "3")
    study.wait_for_units(2)
    (slurm.lab.shared / "urgent.sh").write_text("#!/bin/bash\nsleep 5\n")
    node = slurm.facts(study.running("worker")[0])["NodeList"]
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
    drives = slurm.facts(study.running("driver")[0])["NodeList"]
    nodes = {slurm.facts(job)["NodeList"] for job in study.running("worker")} - {drives}
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
