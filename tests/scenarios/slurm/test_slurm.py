"""The SLURM that tests of respsweep run on is a real one: what such a test relies on, without respsweep."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.cluster.hosts import STORAGE, quoted
from tests.scenarios.slurm.slurm import OTHER, WORKERS, SlurmLab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
LISTENER = """\
import os, signal, sys, time

def note(word):
    with open(sys.argv[1], "a") as notes:
        print(os.environ.get("SLURM_RESTART_COUNT", "0"), sys.argv[2], word, file=notes)

for number in (signal.SIGTERM, signal.SIGUSR1):
    signal.signal(number, lambda number, frame: note(signal.Signals(number).name))
note("listens")
time.sleep(600)
"""
"""A process that writes down which signals it gets: into a file, under a name, which are its arguments."""


@pytest.fixture(autouse=True)
def idle(slurm: SlurmLab) -> Iterator[None]:
    """Afterwards no job is left."""
    yield
    slurm.run(f"scancel --user root; scancel --user {OTHER}")
    slurm.wait_for("idle nodes", lambda: set(slurm.nodes().values()) == {"IDLE"})


def written(slurm: SlurmLab, body: str) -> str:
    """A batch script on the storage that all hosts share: its path there."""
    (slurm.lab.shared / "script.sh").write_text("#!/bin/bash\n" + textwrap.dedent(body))
    return f"{STORAGE}/script.sh"


def listening(slurm: SlurmLab, name: str) -> tuple[str, Path]:
    """A script of which the shell, a child, and a child with a session of its own listen; and what they note."""
    (slurm.lab.shared / "listener.py").write_text(LISTENER)
    notes = f"{STORAGE}/{name}.notes"
    body = f"""\
        #SBATCH --output=/dev/null
        for signal in TERM USR1; do
            trap "echo ${{SLURM_RESTART_COUNT:-0}} shell SIG$signal >> {notes}" $signal
        done
        python3 {STORAGE}/listener.py {notes} child &
        setsid python3 {STORAGE}/listener.py {notes} own-session &
        until [ -e /nowhere ]; do wait; done
        """
    return written(slurm, body), slurm.lab.shared / f"{name}.notes"


def heard(notes: Path, start: int = 0) -> set[str]:
    """Who has noted what since the job's first start, or a later one."""
    lines = notes.read_text().splitlines() if notes.exists() else []
    return {line.split(" ", 1)[1] for line in lines if line.startswith(f"{start} ")}


def test_one_node_jobs_run_on_all_nodes_at_once_and_the_next_one_waits(slurm: SlurmLab) -> None:
    script = written(slurm, "sleep 600\n")
    jobs = [slurm.submit(script, options=["--exclusive"]) for _ in WORKERS]
    for job in jobs:
        slurm.wait_for_state(job, "RUNNING")
    assert {slurm.facts(job)["NodeList"] for job in jobs} == set(WORKERS)
    waiting = slurm.submit(script)
    slurm.wait_for("the reason", lambda: slurm.facts(waiting)["Reason"] == "Resources")
    assert slurm.job(waiting) == "PENDING"
    slurm.run(f"scancel {jobs[0]}")
    slurm.wait_for_state(waiting, "RUNNING")


def test_jobs_of_two_users_share_a_node_and_have_this_python(slurm: SlurmLab) -> None:
    body = f"""\
        #SBATCH --nodelist=one --output=/dev/null
        {quoted(sys.executable)} -c 'import torch, sweep' || exit 3
        scontrol show job $SLURM_JOB_ID > /dev/null || exit 4
        echo $(hostname) $(id -u) $HOME >> $1
        sleep 600
        """
    script = written(slurm, body)
    notes = slurm.lab.shared / "users"
    notes.touch()
    notes.chmod(0o666)
    for user in (None, OTHER):
        slurm.submit(script, user, [f"--chdir={Path.cwd()}"], [f"{STORAGE}/users"])
    lines = slurm.wait_for(
        "both jobs", lambda: len(notes.read_text().splitlines()) == 2 and notes.read_text()
    )
    assert sorted(lines.splitlines()) == ["one 0 /mnt/home", f"one 4711 {STORAGE}/home/{OTHER}"]


def test_each_job_has_a_gpu_of_its_own(slurm: SlurmLab) -> None:
    body = f"""\
        #SBATCH --nodelist=one --gres=gpu:1 --output=/dev/null
        echo $CUDA_VISIBLE_DEVICES >> {STORAGE}/gpus
        sleep 600
        """
    script = written(slurm, body)
    jobs = [slurm.submit(script) for _ in range(3)]
    for job in jobs[:2]:
        slurm.wait_for_state(job, "RUNNING")
    assert slurm.job(jobs[2]) == "PENDING"
    slurm.wait_for(
        "GPUs", lambda: (slurm.lab.shared / "gpus").read_text().split() in (["0", "1"], ["1", "0"])
    )
