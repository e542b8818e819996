"""SLURM's own commands: jobs that are submitted, looked at and cancelled, always of one study alone."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError, one_line
from sweep.cluster.slurm import StudyJobs

FIELDS = "%i|%j|%T|%M|%l|%R"
"""Id, name, state, time used, time limit, and nodes or the reason why it waits, in squeue's letters."""
ANSWER_S = 60.0
ROLES = ("driver", "worker")


class SlurmError(UserError):
    """SLURM is not here, does not answer, or refuses."""


@dataclass(frozen=True)
class Job:
    """A job in the queue, in squeue's words; `where`: its nodes, or in brackets why it waits."""

    id: str
    name: str
    state: str
    used: str
    limit: str
    where: str


def submit(driver: Path, workers: Path) -> tuple[str, str]:
    """Submit both scripts, the workers to start after the driver did; returns the ids of driver and workers.

    Raises SlurmError with SLURM's words when it refuses, after a refusal of the workers with the driver withdrawn.
    """
    first = _run("sbatch", "--parsable", str(driver)).split(";")[0].strip()
    after = [f"--dependency=after:{first}", "--kill-on-invalid-dep=yes"]
    try:
        second = _run("sbatch", "--parsable", *after, str(workers)).split(";")[0].strip()
    except SlurmError:
        _run("scancel", first)
        raise
    return first, second


def jobs(study: StudyJobs) -> list[Job]:
    """List the study's jobs that wait or run. Raises SlurmError."""
    names = ",".join(map(study.name, ROLES))
    listed = _run(
        "squeue", "--noheader", "--array", f"--user={_user()}", f"--name={names}", f"--format={FIELDS}"
    )
    return [Job(*line.split("|", 5)) for line in listed.splitlines() if line.count("|") >= 5]


def cancel(study: StudyJobs) -> list[Job]:
    """Cancel the study's jobs, and no others; returns those that were there. Raises SlurmError.

    Workers go first, so that the driver hears that their units were saved.
    """
    there = jobs(study)
    for role in reversed(ROLES):
        if any(job.name == study.name(role) for job in there):
            _run("scancel", f"--user={_user()}", f"--name={study.name(role)}")
    return there


def _user() -> str:
    return str(os.getuid())


def _run(program: str, *arguments: str) -> str:
    if shutil.which(program) is None:
        raise SlurmError(f"{program}: no such command here; call this on a login node of the SLURM cluster")
    words: Sequence[str] = (program, *arguments)
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, timeout=ANSWER_S, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise SlurmError(
            f"{program}: no answer within {ANSWER_S:g} s; SLURM's controller may be away"
        ) from None
    if done.returncode:
        reason = one_line((done.stderr or done.stdout).strip()) or f"exit status {done.returncode}"
        raise SlurmError(f"{program}: {reason}")
    return done.stdout
