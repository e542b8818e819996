"""What a user is told of the drivers of a study, and of the studies that are trained after it, without SLURM and Ray."""

from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.execution import joined_nodes
from sweep.execution.head_file import Head, write_head
from sweep.execution.head_proof import HeadProof
from sweep.execution.joined_nodes import Node
from sweep.folder.study_folder import StudyFolder
from tests.studies import tiny_study
from tests.sweep.command_line import respsweep

DEAD = Head("10.0.0.1:6379", "of a driver that died", "127.0.0.1:1", "node1", 1, 0.0, job="41")


@pytest.fixture(autouse=True)
def _two_studies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("first", "first-folds"):
        config = StudyConfig.model_validate(tiny_study(1, folds="all" if name == "first" else "one"))
        StudyFolder.at(Path("studies"), name).create(config)
    monkeypatch.setattr(joined_nodes, "joined_nodes", lambda head: [Node("10.0.0.9", 8, 1)])


def told(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """The lines on drivers and workers."""
    assert respsweep(monkeypatch, "cluster", "status", "first") == 0
    lines = capfd.readouterr().out.splitlines()
    return [line for line in lines if "driver" in line or "CPU" in line]


def test_without_a_driver_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert told(monkeypatch, capfd) == ["no driver that workers could join"]


@pytest.mark.parametrize(("live", "stale"), [("first-folds", "first"), ("first", "first-folds")])
def test_a_driver_that_lives_is_told_of_beside_one_that_died_in_another_of_the_studies(
    live: str, stale: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    write_head(Path("studies", stale), DEAD)
    with HeadProof("127.0.0.1:6379", "secret") as proof:
        head = Head("127.0.0.1:6379", "secret", proof.address, "node2", 2, 0.0, job="42")
        write_head(Path("studies", live), head)
        lines = told(monkeypatch, capfd)
    lives = [f"studies/{live}: driver on node2, job 42: 1 worker", "  10.0.0.9: 8 CPU, 1 GPU"]
    died = (
        f"studies/{stale}: driver on node1, job 41: does not answer at 127.0.0.1:1; its head.json is stale unless it is "
        "back soon, and no worker joins it until then"
    )
    assert lines == ([died, *lives] if stale == "first" else [*lives, died])


def test_a_driver_whose_ray_does_not_answer_is_not_called_dead(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(joined_nodes, "joined_nodes", lambda head: None)
    with HeadProof("127.0.0.1:6379", "secret") as proof:
        write_head(Path("studies", "first"), Head("127.0.0.1:6379", "secret", proof.address, "node2", 2, 0.0))
        (line,) = told(monkeypatch, capfd)
    assert line == "studies/first: driver on node2: lives, but its Ray does not answer at 127.0.0.1:6379"


def test_a_study_that_is_neither_there_nor_submitted_is_refused_with_those_that_are(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "cluster", "status", "frist") == 1
    error = capfd.readouterr().err
    assert "no study 'frist' in studies/" in error
    assert "first" in error
    scripts = Path("studies", ".slurm", "frist")
    scripts.mkdir(parents=True)
    assert respsweep(monkeypatch, "cluster", "status", "frist") == 0
    assert "studies/frist: not begun yet" in capfd.readouterr().out
