"""The Ray of a cluster dies under a driver, of which nothing would come out by itself: the study is let go in order.

The driver is a process of its own, head and node are the test's. `test_faults.py` kills the Ray that a driver started.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.folder.study_folder import StudyFolder
from sweep.study.events import StudyStopped
from tests.studies import tiny_study

pytestmark = pytest.mark.timeout(900)
INTERRUPTED = 75
STUDY = tiny_study(
    40,
    search={"patch_mix.temperature": {"type": "categorical", "choices": [0.06, 0.2]}},
    sampler={"name": "grid"},
    seeds=[1],
)


@pytest.fixture
def space(tmp_path: Path, ray_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "space.yaml"
    path.write_text(yaml.safe_dump(STUDY))
    return path


@pytest.fixture
def cluster(space: Path) -> Iterator[Any]:
    """A head on whose machine the driver is, and a node for the unit."""
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        made.add_node(num_cpus=1)
        yield made
    finally:
        made.shutdown()


def start(space: Path, studies: Path, *more: str) -> subprocess.Popen[str]:
    respsweep = Path(sys.executable).with_name("respsweep")
    arguments = ["run", str(space), "--name", "one", "--studies", str(studies), *more]
    return subprocess.Popen(
        [str(respsweep), *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )


def wait_for(what: str, is_there: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not is_there():
        assert time.monotonic() < deadline, f"no {what}"
        time.sleep(0.05)


def wait_for_epochs(driver: subprocess.Popen[str], folder: StudyFolder) -> None:
    def trains() -> bool:
        assert driver.poll() is None, driver.stderr and driver.stderr.read()
        return folder.journal.exists() and folder.journal.read_bytes().count(b"EpochReported") >= 3

    wait_for("epoch", trains)


def check_let_go(driver: subprocess.Popen[str], folder: StudyFolder, reason: str) -> None:
    """The driver ends by itself, says why and how to go on, and holds nothing."""
    _, errors = driver.communicate(timeout=300)
    assert driver.returncode == INTERRUPTED
    assert f"{reason} after 0 complete configurations; go on with: respsweep run --resume one" in errors
    assert "Traceback" not in errors
    assert folder.lock().held_by() is None
    stops = [event for event in folder.events() if isinstance(event, StudyStopped)]
    assert len(stops) == 1
    assert stops[0].reason in errors
    assert not folder.board().running


@pytest.mark.slow
def test_a_study_on_a_cluster_whose_head_dies_is_let_go_after_a_minute(
    space: Path, cluster: Any, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "cut" / "one")
    driver = start(space, folder.path.parent, "--address", cluster.address)
    wait_for_epochs(driver, folder)
    cluster.head_node.kill_gcs_server()
    check_let_go(driver, folder, "Ray's head has not answered for 1:00")


@pytest.mark.long
def test_a_study_whose_machine_loses_its_node_of_a_cluster_is_let_go(
    space: Path, cluster: Any, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "cut" / "one")
    driver = start(space, folder.path.parent, "--address", cluster.address)
    wait_for_epochs(driver, folder)
    cluster.head_node.kill_raylet()
    check_let_go(driver, folder, "Ray died on this machine (its node is gone)")
