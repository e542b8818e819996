"""Processes of a node and their end, with a stand-in for `ray start`; Ray itself: tests/scenarios/test_workers.py."""

import os
import socket
import time
from pathlib import Path

import pytest

from sweep.execution import joined_node
from sweep.execution.head_file import Head
from sweep.execution.joined_node import JoinedNode, gpus_of_this_job
from sweep.execution.joined_nodes import joined_nodes

STAND_IN = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
here = Path(os.environ["HERE"])
here.joinpath("words").write_text(json.dumps(sys.argv[1:]))
here.joinpath("token").write_text(os.environ["RAY_AUTH_TOKEN"])
child = subprocess.Popen(["sleep", "1000"], start_new_session=True)
deaf_to_term = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(1000)"
deaf = subprocess.Popen([sys.executable, "-c", deaf_to_term], start_new_session=True, stdout=subprocess.PIPE)
deaf.stdout.readline()
here.joinpath("children").write_text(f"{child.pid} {deaf.pid}")
time.sleep(1000)
"""


@pytest.fixture
def ray(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Puts the stand-in in the place of Ray's command line; the folder in which it leaves its notes."""
    package = tmp_path / "path" / "ray" / "scripts"
    package.mkdir(parents=True)
    for folder in (package, package.parent):
        (folder / "__init__.py").touch()
    (package / "scripts.py").write_text(STAND_IN)
    monkeypatch.setenv("PYTHONPATH", str(package.parents[1]))
    monkeypatch.setenv("HERE", str(tmp_path))
    monkeypatch.setenv("RAY_TMPDIR", "/tmp")
    monkeypatch.setattr(joined_node, "END_S", 1.0)
    return tmp_path


def children(ray: Path) -> list[int]:
    deadline = time.monotonic() + 30
    while not (ray / "children").exists() or len((ray / "children").read_text().split()) < 2:
        assert time.monotonic() < deadline, "the stand-in did not begin"
        time.sleep(0.05)
    return [int(pid) for pid in (ray / "children").read_text().split()]


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_all_that_a_node_started_ends_with_it(ray: Path) -> None:
    node = JoinedNode(Head.here("10.0.0.1:1", "secret", ""), cpus=3)
    started = children(ray)
    assert node.alive
    assert all(map(runs, started))
    node.end()
    assert not node.alive
    assert not any(map(runs, started))
    words = (ray / "words").read_text()
    assert '"--num-cpus", "3"' in words
    assert "secret" not in words
    assert (ray / "token").read_text() == "secret"
    node.end()


def test_a_stranger_at_the_address_of_a_driver_that_died_is_asked_for_nothing(ray: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        head = Head.here(address, "secret", "127.0.0.1:1")
        node = JoinedNode(head)
        assert not node.drain(5, "the job ends")
        assert joined_nodes(head) is None
        node.end()
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()


def test_a_node_that_has_ended_by_itself_needs_no_wait(ray: Path) -> None:
    node = JoinedNode(Head.here("10.0.0.1:1", "secret", ""))
    children(ray)
    assert not node.wait(0.05)
    node.end()
    assert node.wait(0.05)


def test_no_process_is_sent_a_signal_for_a_node_that_has_ended(
    ray: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = JoinedNode(Head.here("10.0.0.1:1", "secret", ""))
    children(ray)
    node.end()
    # Their numbers may have gone to processes of others.
    monkeypatch.setattr(os, "kill", lambda pid, number: pytest.fail(f"{pid} was sent {number}"))
    node.end()


@pytest.mark.parametrize(
    ("environment", "gpus"),
    [
        ({}, None),
        ({"SLURM_JOB_ID": "7"}, 0.0),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0,1"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "1"}, None),
        ({"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "2", "CUDA_VISIBLE_DEVICES": "MIG-a,MIG-b"}, 2),
    ],
)
def test_a_job_without_gpus_offers_none_though_the_machine_shows_some(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], gpus: float | None
) -> None:
    for name in ("SLURM_JOB_ID", "CUDA_VISIBLE_DEVICES", *joined_node.GPUS_OF_A_JOB):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert gpus_of_this_job() == gpus
