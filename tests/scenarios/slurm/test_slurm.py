"""The SLURM that tests of respsweep run on is a real one: what such a test relies on, without respsweep."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.scenarios.cluster.hosts import STORAGE
from tests.scenarios.slurm.settings import OTHER
from tests.scenarios.slurm.slurm import RESPSWEEP, WORKERS, SlurmLab, running_slurm

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
    for user in ("root", OTHER):
        slurm.run(f"scancel --signal=KILL --user {user}")
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


def test_jobs_of_two_users_share_a_node_and_have_respsweep(slurm: SlurmLab) -> None:
    body = f"""\
        #SBATCH --nodelist=one --output=/dev/null
        {RESPSWEEP} synth $(mktemp -d)/breaths --patients 8 || exit 3
        scontrol show job $SLURM_JOB_ID > /dev/null || exit 4
        echo $(hostname) $(id -u) $HOME >> $1
        sleep 600
        """
    script = written(slurm, body)
    notes = slurm.lab.shared / "users"
    notes.touch()
    notes.chmod(0o666)
    for user in (None, OTHER):
        slurm.submit(script, user, arguments=[f"{STORAGE}/users"])
    slurm.wait_for("both jobs", lambda: len(notes.read_text().splitlines()) == 2)
    assert sorted(notes.read_text().splitlines()) == ["one 0 /mnt/home", f"one 4711 {STORAGE}/home/{OTHER}"]


@pytest.mark.long
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


def test_before_its_time_is_over_a_job_is_signalled_in_its_batch_shell_alone(slurm: SlurmLab) -> None:
    script, notes = listening(slurm, "limit")
    slurm.submit(script, options=["--time=1", "--signal=B:USR1@30"])
    slurm.wait_for("the signal", lambda: "shell SIGUSR1" in heard(notes))
    assert heard(notes) == {"child listens", "own-session listens", "shell SIGUSR1"}


@pytest.mark.long
def test_a_job_that_must_make_way_is_told_in_all_its_processes_and_starts_again(slurm: SlurmLab) -> None:
    script, notes = listening(slurm, "preempted")
    low = slurm.submit(script, options=["--nodelist=two"])
    slurm.wait_for("what listens", lambda: heard(notes) == {"child listens", "own-session listens"})
    urgent = written(slurm, "sleep 1\n")
    high = slurm.submit(urgent, options=["--partition=high", "--nodelist=two", "--exclusive"])
    slurm.wait_for_state(high, "RUNNING", "COMPLETED", seconds=60)
    assert {"shell SIGTERM", "child SIGTERM", "own-session SIGTERM"} < heard(notes)
    slurm.wait_for("its second start", lambda: "child listens" in heard(notes, start=1))
    assert slurm.facts(low)["Restarts"] == "1"


@pytest.mark.long
def test_jobs_go_on_while_the_controller_is_away(slurm: SlurmLab) -> None:
    job = slurm.submit(written(slurm, "sleep 600\n"))
    slurm.wait_for_state(job, "RUNNING")
    slurm.stop_controller()
    assert slurm.login.run("squeue").returncode
    slurm.start_controller()
    assert slurm.job(job) == "RUNNING"
    assert slurm.facts(job)["Restarts"] == "0"


@pytest.mark.long
def test_jobs_of_a_node_that_loses_power_start_again_elsewhere(slurm: SlurmLab) -> None:
    job = slurm.submit(written(slurm, "sleep 600\n"))
    slurm.wait_for_state(job, "RUNNING")
    dead = slurm.facts(job)["NodeList"]
    slurm.kill_node(dead)
    slurm.wait_for("the end of the node", lambda: slurm.nodes()[dead].startswith("DOWN"), 90)
    slurm.wait_for_state(job, "RUNNING")
    assert slurm.facts(job)["NodeList"] != dead
    assert slurm.facts(job)["Restarts"] == "1"
    slurm.start_node(dead)


@pytest.mark.long
def test_with_control_groups_a_job_is_told_in_its_batch_shell_alone(tmp_path: Path) -> None:
    with running_slurm(tmp_path / "groups", workers=("one",), tracking="cgroup", kill_wait_s=2) as slurm:
        script, notes = listening(slurm, "groups")
        job = slurm.submit(script)
        slurm.wait_for("what listens", lambda: heard(notes) == {"child listens", "own-session listens"})
        slurm.run(f"scancel {job}")
        slurm.wait_for("the end of all", lambda: set(slurm.nodes().values()) == {"IDLE"})
        assert heard(notes) == {"child listens", "own-session listens", "shell SIGTERM"}
