"""The shipped on-premise file on three hosts: a sweep that outlives a node that goes, one that dies, and the head."""

from __future__ import annotations

import json
import re
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.folder.study_folder import StudyFolder
from sweep.study.events import Event, UnitFinished, UnitLost
from tests.scenarios.cluster.conftest import RAY, RESPSWEEP, LabCluster, wait_for
from tests.scenarios.cluster.hosts import STORAGE
from tests.studies import TINY_RECIPE

# Whichever test is first brings the cluster up, and the first one to ask for the sweeps waits for them.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

SPACE: dict[str, Any] = {
    "data": f"{STORAGE}/breaths",
    "recipe": {**TINY_RECIPE, "epochs": 25},
    "search": {"optimiser.learning_rate": {"type": "categorical", "choices": [0.0005, 0.001, 0.002]}},
    "seeds": [1, 2],
    "sampler": {"name": "grid"},
    "pruner": {"name": "none"},
    "racing": {"name": "none"},
}
ALL_JOINED_S = 60
"""Within how long after `ray up` all listed workers are there: what the project promises."""
ON_WORKERS = "--set 'resources.custom={fake_gpu: 1}' --set resources.checkpoint_minutes=0"
STUDIES = f"{STORAGE}/studies"


def events(cluster: LabCluster, study: str = "first") -> list[Event]:
    folder = StudyFolder(cluster.lab.shared / "studies" / study)
    return folder.events()


def scores(journal: Path) -> dict[tuple[int, int], list[float]]:
    """Validation curves by configuration and seed."""
    board = StudyFolder(journal.parent).board()
    return {
        (unit.configuration, unit.seed): [report["score"] for report in unit.curve] for unit in board.units()
    }


def losses(cluster: LabCluster) -> list[UnitLost]:
    return [event for event in events(cluster) if isinstance(event, UnitLost)]


def under_way(cluster: LabCluster) -> int:
    """Units with a checkpoint."""
    return len(list((cluster.lab.shared / "studies" / "first" / "units").glob("*/checkpoint.pt")))


@pytest.fixture(scope="module")
def recorded(cluster: LabCluster) -> None:
    """Recordings on the storage that all hosts see."""
    cluster.laptop.run(f"{RESPSWEEP} synth {STORAGE}/breaths --patients 12", check=True)


@pytest.fixture(scope="module")
def undisturbed(cluster: LabCluster, recorded: None) -> dict[tuple[int, int], list[float]]:
    """The same sweep on the laptop alone."""
    laptop = cluster.laptop
    (laptop.home / "space.yaml").write_text(yaml.safe_dump(SPACE))
    laptop.run(f"{RESPSWEEP} run space.yaml --name alone", timeout=400, check=True)
    return scores(laptop.home / "studies" / "alone" / "journal.jsonl")


@pytest.fixture(scope="module")
def joined_after_s(cluster: LabCluster) -> float:
    """Brings Ray up: how long after the end of `ray up` Ray had told of all workers, in seconds."""
    cluster.up()
    begun = time.monotonic()
    wait_for("the workers of the file", lambda: cluster.joined() == 3)
    return time.monotonic() - begun


@pytest.fixture(scope="module")
def up(cluster: LabCluster, joined_after_s: float) -> LabCluster:
    return cluster


def test_ray_up_brings_all_workers_and_a_project_without_its_history(
    up: LabCluster, joined_after_s: float
) -> None:
    print(f"all listed workers had joined {joined_after_s:.1f} s after the end of `ray up`")
    assert joined_after_s <= ALL_JOINED_S
    for host in (up.head, up.one, up.two):
        project = host.home / "respsweep"
        assert (project / "sweep" / "cli.py").exists()
        assert not (project / ".git").exists()
        assert (host.home / ".ray" / "auth_token").stat().st_mode & 0o077 == 0


def test_nothing_but_ssh_and_what_asks_for_the_token_is_open(up: LabCluster) -> None:
    wait_for("MLflow", lambda: "127.0.0.1:5000" in up.head.run("ss -Hltn").stdout)
    for port in (8265, 5000, 10001):
        refused = up.one.run(f"timeout 3 bash -c '</dev/tcp/{up.head.address}/{port}'")
        assert refused.returncode, f"{port} of the head answers its network"
    agents = {address for host in (up.head, up.one) for address in http_ports(up, host)}
    assert agents, "the look found no HTTP server at all"
    for address in agents:
        assert status_of(up, f"http://{address}/api/job_agent/jobs/", "-X POST") in (0, 401, 404, 405), (
            address
        )
    assert status_of(up, f"http://{up.head.address}:52365/api/job_agent/jobs/", "-X POST") == 401
    stranger = up.one.run(f"RAY_AUTH_MODE=disabled {RAY} status --address {up.head.address}:6379")
    assert stranger.returncode
    assert "authentication" in (stranger.stdout + stranger.stderr).lower()


def http_ports(cluster: LabCluster, host: Any) -> set[str]:
    """Addresses on the hosts' network at which something listens, but for sshd."""
    listed = host.run("ss -Hltn").stdout
    ports = {
        line.split()[3].rpartition(":")[2]
        for line in listed.splitlines()
        if "127.0.0.1" not in line.split()[3]
    }
    return {f"{host.address}:{port}" for port in ports - {"22"}}


def status_of(cluster: LabCluster, url: str, options: str = "") -> int:
    """Its HTTP status for one who has no token, 0 when it speaks something else."""
    asked = cluster.two.run(f"curl -s -m 5 -o /dev/null -w '%{{http_code}}' {options} {url}")
    return int(asked.stdout or 0)


@dataclass(frozen=True)
class Disturbed:
    """A sweep whose workers and head went, as it was seen meanwhile; its study is over."""

    left_by_drain: list[UnitLost]
    left_by_death: list[UnitLost]
    finished_before_the_head_died: int


@pytest.fixture(scope="module")
def disturbed(up: LabCluster, recorded: None, tmp_path_factory: pytest.TempPathFactory) -> Disturbed:
    """The sweep on the cluster: one worker is drained, the other one dies, then the head; it is resumed."""
    for host in (up.head, up.laptop):
        (host.home / "space.yaml").write_text(yaml.safe_dump(SPACE))
    begin = (
        f"respsweep run ~/space.yaml --name first --studies {STUDIES} --address auto "
        f"--tracking-uri http://127.0.0.1:5000 {ON_WORKERS}"
    )
    log = tmp_path_factory.mktemp("driver") / "driver.log"
    driver = up.laptop.popen(f'{RAY} exec {up.file} "{begin}"', log)
    wait_for("units on both workers", lambda: under_way(up) == 2 or ended(driver, log))

    up.two.run(f"{RESPSWEEP} cluster drain --seconds 60", check=True)
    left_by_drain = wait_for("a unit that left the drained node", lambda: losses(up))

    wait_for("a unit on the worker that stays", lambda: under_way(up) and finished(up) >= 1)
    up.one.kill()
    wait_for("the loss of the dead host's unit", lambda: len(losses(up)) > 1 or ended(driver, log))
    left_by_death = losses(up)[len(left_by_drain) :]
    up.head.kill()
    driver.wait(timeout=120)
    finished_before = finished(up)

    up.head.start()
    up.one.start()
    up.up()
    again = f"respsweep run --resume first --studies {STUDIES} --address auto"
    up.from_laptop(f'{RAY} exec {up.file} "{again}"')
    return Disturbed(left_by_drain, left_by_death, finished_before)


def test_a_sweep_outlives_a_node_that_goes_one_that_dies_and_the_head(
    up: LabCluster, undisturbed: dict[tuple[int, int], list[float]], disturbed: Disturbed
) -> None:
    (left,) = disturbed.left_by_drain
    assert "about to be taken back" in left.reason
    assert disturbed.left_by_death
    assert not any(loss.counts for loss in (left, *disturbed.left_by_death))
    assert disturbed.finished_before_the_head_died < len(undisturbed), "it was over before its head died"
    assert scores(up.lab.shared / "studies" / "first" / "journal.jsonl") == undisturbed
    board = StudyFolder(up.lab.shared / "studies" / "first").board()
    assert all(unit.failures == 0 for unit in board.units())
    assert len(board.drivers) == 2


def finished(cluster: LabCluster) -> int:
    return sum(isinstance(event, UnitFinished) for event in events(cluster))


def ended(driver: subprocess.Popen[bytes], log: Path) -> bool:
    if driver.poll() is not None:
        pytest.fail(f"the driver ended: {log.read_text()[-3000:]}")
    return False


def test_mlflow_has_every_run_once_and_is_reached_through_ssh(
    up: LabCluster, disturbed: Disturbed, tmp_path: Path
) -> None:
    forward = up.laptop.popen(
        f"ssh -N -i ~/.ssh/lab -o StrictHostKeyChecking=no -L 5001:localhost:5000 root@{up.head.address}",
        tmp_path / "ssh.log",
    )
    url = "http://localhost:5001/api/2.0/mlflow"
    try:
        wait_for("the forwarded port", lambda: "5001" in up.laptop.run("ss -Hltn").stdout)
        experiment = asked(up, f"'{url}/experiments/get-by-name?experiment_name=first'")["experiment"]
        query = json.dumps({"experiment_ids": [experiment["experiment_id"]], "max_results": 1000})
        runs = asked(up, f"-H 'Content-Type: application/json' -d '{query}' {url}/runs/search")["runs"]
    finally:
        forward.terminate()
    names = [run["info"]["run_name"] for run in runs]
    assert len(set(names)) == len(names) == 3 + 6
    assert {run["info"]["status"] for run in runs} == {"FINISHED"}


def asked(cluster: LabCluster, request: str) -> dict[str, Any]:
    return json.loads(cluster.laptop.run(f"curl -s -m 10 {request}", check=True).stdout)


def test_the_token_is_in_no_file_but_its_own(up: LabCluster, disturbed: Disturbed) -> None:
    token = (up.laptop.home / ".ray" / "auth_token").read_text().strip()
    assert re.fullmatch(r"[0-9a-f]{32,}", token)
    holding = subprocess.run(
        ["grep", "-rlF", token, str(up.lab.folder), "--exclude-dir=.venv"], capture_output=True, text=True
    ).stdout.split()
    assert {Path(path).name for path in holding} == {"auth_token"}


def test_ray_down_leaves_nothing_running(up: LabCluster, disturbed: Disturbed) -> None:
    # No test that asks for the cluster can come after this one.
    up.down()
    for host in (up.head, up.one, up.two):
        wait_for(f"the end of all on {host.name}", lambda host=host: not host.processes(), 180)
