"""SLURM's commands by stand-ins that write down how they were called; the real ones: tests/scenarios/slurm."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.cluster.slurm import StudyJobs
from sweep.cluster.slurm_queue import Job, SlurmError, cancel, jobs, submit


@pytest.fixture
def study(tmp_path: Path) -> StudyJobs:
    return StudyJobs(tmp_path / "studies" / "first")


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make programs that note their arguments in the returned file, print something, and end with a status."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    called = tmp_path / "called"

    def make(**answers: tuple[str, int]) -> Path:
        for program, (answer, status) in answers.items():
            path = tmp_path / "bin" / program
            (tmp_path / f"{program}.answer").write_text(answer)
            path.write_text(
                f'#!/bin/sh\necho "{program} $@" >> {called}\n'
                f"cat {tmp_path}/{program}.answer {'>&2' if status else ''}\nexit {status}\n"
            )
            path.chmod(0o755)
        return called

    return make


def test_workers_are_submitted_to_start_after_their_driver(slurm, study: StudyJobs) -> None:
    called = slurm(sbatch=("41;cluster\n", 0))
    assert submit(Path("driver.sbatch"), Path("workers.sbatch")) == ("41", "41")
    assert called.read_text().splitlines() == [
        "sbatch --parsable driver.sbatch",
        "sbatch --parsable --dependency=after:41 --kill-on-invalid-dep=yes workers.sbatch",
    ]


def test_slurms_refusal_is_told_in_its_words(slurm) -> None:
    slurm(sbatch=("sbatch: error: invalid partition specified: gpus\n", 1))
    with pytest.raises(SlurmError, match=r"^sbatch: sbatch: error: invalid partition specified: gpus$"):
        submit(Path("driver.sbatch"), Path("workers.sbatch"))


def test_only_jobs_of_the_study_are_asked_for_and_cancelled(slurm, study: StudyJobs) -> None:
    driver, worker = study.name("driver"), study.name("worker")
    called = slurm(
        squeue=(f"7|{driver}|RUNNING|1:02|2-00:00:00|n1\n9_1|{worker}|PENDING|0:00|4:00:00|(Resources)\n", 0),
        scancel=("", 0),
    )
    assert jobs(study) == [
        Job("7", driver, "RUNNING", "1:02", "2-00:00:00", "n1"),
        Job("9_1", worker, "PENDING", "0:00", "4:00:00", "(Resources)"),
    ]
    said: list[str] = []
    assert len(cancel(study, said.append, patience_s=0.2, look_every_s=0.05)) == 2
    assert said == ["2 jobs have not ended within 0.2 s, and are cancelled"]
    lines = called.read_text().splitlines()
    assert f"--name={driver},{worker}" in lines[0]
    assert f"--user={os.getuid()}" in lines[0]
    user = f"scancel --user={os.getuid()} --name="
    assert [line for line in lines if line.startswith("scancel")] == [
        f"{user}{worker} --state=PENDING",
        "scancel --signal=TERM --batch 7",
        f"{user}{worker}",
        f"{user}{driver}",
    ]


def test_nothing_is_cancelled_where_no_job_of_the_study_is(slurm, study: StudyJobs) -> None:
    called = slurm(squeue=("", 0), scancel=("", 0))
    assert cancel(study, print) == []
    assert "scancel" not in called.read_text()


def test_a_machine_without_slurm_is_told_where_to_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, study: StudyJobs
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SlurmError, match=r"^squeue: no such command here; call this on a login node"):
        jobs(study)
