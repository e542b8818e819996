"""Workers that come by themselves to a driver which is met by its file: they join, leave in an epoch, and come back."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.execution.head_file import FILE, read_head
from sweep.execution.joined_nodes import joined_nodes
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import UnitLost
from tests.studies import curves, tiny_study

RESPSWEEP = str(Path(sys.executable).parent / "respsweep")
STUDY = tiny_study(
    30,
    search={"optimiser.learning_rate": {"type": "categorical", "choices": [0.0005, 0.001]}},
    sampler={"name": "grid"},
)
# Held on a real SLURM too, where there is root to have one: tests/scenarios/slurm/test_study.py.
pytestmark = [pytest.mark.long, pytest.mark.timeout(1200)]


@pytest.fixture
def begin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `respsweep` with some words; what still runs at the end of the test is told to leave."""
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "space.yaml").write_text(yaml.safe_dump(STUDY))
    started: list[subprocess.Popen[bytes]] = []

    def start(*words: str) -> subprocess.Popen[bytes]:
        log = (tmp_path / f"{words[0]}-{len(started)}.log").open("wb")
        started.append(
            subprocess.Popen([RESPSWEEP, *words], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        )
        return started[-1]

    yield start
    for process in started:
        process.terminate()
    for process in started:
        process.wait(90)


def wait_for(what: str, look: Callable[[], Any], seconds: float = 300) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        if time.monotonic() > deadline:
            logs = "\n".join(f"{path}: {path.read_text()[-1500:]}" for path in Path.cwd().glob("*.log"))
            pytest.fail(f"{what}: not within {seconds:.0f} s\n{logs}")
        time.sleep(0.1)
    return found


def test_workers_come_leave_and_come_back_and_the_board_is_as_if_they_had_stayed(
    begin, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "studies" / "first")
    worker = ("cluster", "worker", "first", "--cpus", "1", "--notice", "60")
    # Before there is a study.
    early = begin(*worker)
    driver = begin("run", "space.yaml", "--name", "first", "--address", "head")
    wait_for(
        "a unit that has begun", lambda: folder.exists and any(unit.curve for unit in folder.board().units())
    )
    assert (folder.path / FILE).stat().st_mode & 0o077 == 0
    head = read_head(folder.path)
    assert head is not None
    assert [node.cpus for node in joined_nodes(head) or []] == [1]

    early.send_signal(signal.SIGUSR1)
    assert early.wait(60) == 75
    losses = wait_for("the unit that left", lambda: [e for e in folder.events() if isinstance(e, UnitLost)])
    assert [loss.counts for loss in losses] == [False]
    assert "about to be taken back" in losses[0].reason
    wait_for("the end of its node", lambda: joined_nodes(head) == [])

    late = begin(*worker)
    wait_for("two units", lambda: sum(unit.over for unit in folder.board().units()) >= 2)
    driver.send_signal(signal.SIGUSR1)
    assert driver.wait(60) == 75
    assert not (folder.path / FILE).exists()
    assert late.poll() is None, "a worker waits for the next driver"
    assert begin("run", "space.yaml", "--name", "first", "--address", "head").wait(300) == 0
    assert late.wait(120) == 0

    alone = StudyFolder(tmp_path / "studies" / "alone")
    assert begin("run", "space.yaml", "--name", "alone").wait(300) == 0
    assert curves(folder.board()) == curves(alone.board())
    assert all(unit.failures == 0 for unit in folder.board().units())
