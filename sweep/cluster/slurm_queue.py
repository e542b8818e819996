"""SLURM's own commands: jobs that are submitted, looked at and cancelled, always of one study alone."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.errors import UserError, one_line
from sweep.cluster.slurm import StudyJobs

FIELDS = "%i|%j|%T|%M|%l|%R"
"""Id, name, state, time used, time limit, and nodes or the reason why it waits, in squeue's letters."""
ANSWER_S = 60.0
ROLES = ("driver", "worker")
PATIENCE_S = 45.0
"""In which jobs may end by themselves: units leave within 20 s of TERM, and Ray ends."""


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


def cancel(
    study: StudyJobs, say: Callable[[str], None], patience_s: float = PATIENCE_S, look_every_s: float = 2.0
) -> list[Job]:
    """End the study's jobs, and no others; returns those that were there. Raises SlurmError.

    The shells of running jobs are asked first, which end in good order: where SLURM finds processes by their parents,
    its own scancel would reach all of Ray's at once. What is still there after `patience_s` seconds is cancelled, of
    which `say` hears. Workers go before the driver, so that the driver hears that their units were saved.
    """
    there = jobs(study)
    names = {role: study.name(role) for role in ROLES}
    for role in reversed(ROLES):
        if any(job.name == names[role] and job.state == "PENDING" for job in there):
            _run("scancel", f"--user={_user()}", f"--name={names[role]}", "--state=PENDING")
    for role in reversed(ROLES):
        running = [job for job in there if job.name == names[role] and job.state == "RUNNING"]
        if running:
            _run("scancel", "--signal=TERM", "--batch", *(job.id for job in running))
    deadline = time.monotonic() + patience_s
    while left := jobs(study) if there else []:
        if time.monotonic() > deadline:
            say(f"{len(left)} jobs have not ended within {patience_s:g} s, and are cancelled")
            for role in reversed(ROLES):
                _run("scancel", f"--user={_user()}", f"--name={names[role]}")
            break
        time.sleep(look_every_s)
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
