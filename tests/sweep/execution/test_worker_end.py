"""When a worker ends, or waits on, by what is left to train, with a stand-in for its node."""

import contextlib
import itertools
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sweep.execution import worker_job
from sweep.execution.head_file import Head, remove_head, write_head
from sweep.execution.worker_job import Ending
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import FolderError, StudyFolder
from tests.sweep.execution.stand_in_drivers import Node, job, soon, tell, then

pytestmark = pytest.mark.usefixtures("quick")


def test_a_worker_ends_at_once_when_the_study_that_it_worked_for_is_over(
    tmp_path: Path, listening: Callable[[], Head]
) -> None:
    head = listening()
    write_head(tmp_path, head)
    over: list[bool] = []
    then(lambda: soon(lambda: Node.made), lambda: over.append(True), lambda: remove_head(tmp_path, head))
    begun = time.monotonic()
    assert job(tmp_path, over=lambda folder: bool(over)).run() is Ending.OVER
    assert time.monotonic() - begun < worker_job.OVER_S / 2


def test_a_worker_waits_for_the_next_driver_of_a_study_that_was_stopped(
    tmp_path: Path, listening: Callable[[], Head]
) -> None:
    head = listening()
    write_head(tmp_path, head)
    then(lambda: soon(lambda: Node.made), lambda: remove_head(tmp_path, head))
    begun = time.monotonic()
    assert job(tmp_path, give_up_s=1.0).run() is Ending.GAVE_UP
    assert time.monotonic() - begun >= 1.0


def test_a_worker_that_comes_to_a_study_that_is_over_ends_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_job, "OVER_S", 0.3)
    begun = time.monotonic()
    worker: Any = job(tmp_path, over=lambda folder: True)
    assert worker.run() is Ending.OVER
    assert time.monotonic() - begun >= 0.3
    assert worker.said == [f"{tmp_path} is over: waits 0:00 for a driver that goes on with it"]


@pytest.mark.parametrize("writes", [False, True])
def test_a_worker_whose_driver_ended_before_it_wrote_anything_takes_no_old_end_for_the_end(
    tmp_path: Path, listening: Callable[[], Head], monkeypatch: pytest.MonkeyPatch, writes: bool
) -> None:
    monkeypatch.setattr(worker_job, "OVER_S", 1.0)
    head = listening()
    write_head(tmp_path, head)
    ended: list[float] = []

    def end() -> None:
        if writes:
            StudyFolder(tmp_path).journal.write_text("resumed, and over again\n")
        ended.append(time.monotonic())
        remove_head(tmp_path, head)

    then(lambda: soon(lambda: Node.made), end)
    assert job(tmp_path, over=lambda folder: True).run() is Ending.OVER
    waited = time.monotonic() - ended[0]
    assert (waited < 1.0) if writes else (waited >= 1.0)


def test_a_worker_that_comes_before_the_driver_of_a_larger_budget_joins_it(
    tmp_path: Path, listening: Callable[[], Head]
) -> None:
    head = listening()
    then(
        lambda: time.sleep(0.5),
        lambda: write_head(tmp_path, head),
        lambda: soon(lambda: Node.made),
        tell(signal.SIGTERM),
    )
    assert job(tmp_path, over=lambda folder: True).run() is Ending.LEFT
    assert [node.head for node in Node.made] == [head]


def test_a_worker_that_comes_to_a_study_that_is_over_waits_while_a_driver_holds_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_job, "OVER_S", 0.0)
    monkeypatch.setattr(StudyFolder, "exists", True)
    let_go: list[float] = []
    with contextlib.ExitStack() as driver:
        driver.enter_context(StudyLock(tmp_path))
        then(lambda: time.sleep(0.5), lambda: let_go.append(time.monotonic()), driver.close)
        assert job(tmp_path, over=lambda folder: True).run() is Ending.OVER
    assert let_go


def test_a_worker_goes_on_to_the_studies_that_its_driver_trains_next(
    tmp_path: Path, listening: Callable[[], Head]
) -> None:
    first, second = (StudyFolder(tmp_path / name) for name in ("first", "first-folds"))
    second.path.mkdir()
    over: list[bool] = []
    head = listening()
    then(
        lambda: time.sleep(0.5),
        lambda: write_head(second.path, head),
        lambda: soon(lambda: Node.made),
        lambda: over.append(True),
        lambda: remove_head(second.path, head),
    )
    asked: list[StudyFolder] = []
    working = job(
        first.path,
        later=lambda folder: asked.append(folder) or [second],
        over=lambda folder: asked.append(folder) or bool(over),
    )
    assert working.run() is Ending.OVER
    assert [node.head for node in Node.made] == [head]
    assert set(asked) == {first}


def test_a_driver_that_died_in_a_study_is_passed_by_for_one_that_lives_in_a_later_one(
    tmp_path: Path, listening: Callable[[], Head]
) -> None:
    first, second = (StudyFolder(tmp_path / name) for name in ("first", "first-folds"))
    for study in (first, second):
        study.path.mkdir()
    write_head(first.path, Head.here("127.0.0.1:1", "of a driver that died", "127.0.0.1:1"))
    head = listening()
    write_head(second.path, head)
    then(lambda: soon(lambda: Node.made), tell(signal.SIGTERM))
    assert job(first.path, later=lambda folder: [second]).run() is Ending.LEFT
    assert [node.head for node in Node.made] == [head]


def test_a_worker_waits_on_while_it_is_not_known_what_is_left_to_train(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_job, "OVER_S", 0.0)

    def unknown(folder: StudyFolder) -> Any:
        raise FolderError("just being written")

    waiting = job(tmp_path, give_up_s=0.5, later=unknown, over=unknown)
    assert waiting.run() is Ending.GAVE_UP
    said: list[str] = waiting.said  # pyright: ignore[reportAttributeAccessIssue]
    assert said[1:] == ["cannot tell what is left to train: just being written"]


def test_all_that_keeps_a_worker_from_knowing_what_is_left_is_said_and_nothing_that_passes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_job, "OVER_S", 0.0)

    def unknown(folder: StudyFolder) -> Any:
        raise FolderError("no settings")

    def damaged(folder: StudyFolder) -> Any:
        raise FolderError("no journal")

    waiting = job(tmp_path, give_up_s=0.7, later=unknown, over=damaged)
    assert waiting.run() is Ending.GAVE_UP
    said: list[str] = waiting.said  # pyright: ignore[reportAttributeAccessIssue]
    assert sorted(said[1:]) == [
        f"cannot tell what is left to train: {trouble}" for trouble in ("no journal", "no settings")
    ]

    asked = itertools.count()

    def written(folder: StudyFolder) -> Any:
        return unknown(folder) if next(asked) % 2 else ()

    waiting = job(tmp_path, give_up_s=1.2, later=written)
    assert waiting.run() is Ending.GAVE_UP
    said = waiting.said  # pyright: ignore[reportAttributeAccessIssue]
    assert next(asked) >= 4
    assert len(said) == 1
