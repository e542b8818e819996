"""When a worker joins, leaves, waits and ends, with a stand-in for its node (real: tests/scenarios/test_workers.py)."""

import contextlib
import itertools
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from sweep.execution import worker_job
from sweep.execution.head_file import Head, remove_head, write_head
from sweep.execution.head_proof import HeadProof
from sweep.execution.worker_job import Ending, WorkerJob
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import FolderError, StudyFolder


class Node:
    """A node that lasts until it is ended, or drained; notes what is asked of it."""

    made: ClassVar[list["Node"]] = []

    def __init__(self, head: Head, **offer: Any) -> None:
        self.head, self.offer, self.alive, self.drained = head, offer, True, None
        Node.made.append(self)

    def drain(self, seconds: float, why: str) -> bool:
        self.drained = seconds
        return True

    def wait(self, seconds: float) -> bool:
        self.alive = False
        return True

    def end(self) -> None:
        self.alive = False

    def last_words(self) -> str:
        return "another version of Ray"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    Node.made = []
    for name in ("LOOK_EVERY_S", "LOOK_FOR_END_EVERY_S", "JOIN_AGAIN_S", "ASK_EVERY_S"):
        monkeypatch.setattr(worker_job, name, 0.05)


class Driver:
    """A driver's file, and the proof that it lives, which may end without a word."""

    def __init__(self, number: int) -> None:
        address, token = f"127.0.0.1:{number}", f"token {number}"
        self.proof = HeadProof(address, token).__enter__()
        self.head = Head.here(address, token, self.proof.address)

    def die(self) -> None:
        self.proof.__exit__(None, None, None)


@pytest.fixture
def driver() -> Iterator[Callable[[], Driver]]:
    """Makes drivers that live."""
    made: list[Driver] = []

    def make() -> Driver:
        made.append(Driver(1 + len(made)))
        return made[-1]

    yield make
    for one in made:
        one.die()


@pytest.fixture
def listening(driver: Callable[[], Driver]) -> Callable[[], Head]:
    """Makes heads of drivers that live."""
    return lambda: driver().head


def soon(look: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 30
    while not look():
        assert time.monotonic() < deadline, "did not come"
        time.sleep(0.02)


def then(*steps: Callable[[], Any]) -> None:
    """Do steps beside the worker, which has the main thread as it needs for signals."""

    def run() -> None:
        for step in steps:
            step()

    threading.Thread(target=run, daemon=True).start()


def job(folder: Path, **settings: Any) -> WorkerJob:
    said: list[str] = []
    made = WorkerJob(
        StudyFolder(folder),
        said.append,
        join=Node,  # pyright: ignore[reportArgumentType]
        **{"give_up_s": 60.0, "cpus": 2, "over": lambda folder: False, **settings},  # pyright: ignore[reportArgumentType]
    )
    made.said = said  # pyright: ignore[reportAttributeAccessIssue]
    return made


def tell(number: int) -> Callable[[], None]:
    return lambda: os.kill(os.getpid(), number)


@pytest.mark.parametrize(
    ("number", "seconds"), [(signal.SIGUSR1, 80.0), (signal.SIGTERM, 20.0), (signal.SIGINT, 20.0)]
)
def test_a_signal_drains_the_node_in_the_time_that_it_leaves(
    tmp_path: Path, listening: Callable[[], Head], number: int, seconds: float
) -> None:
    head = listening()
    write_head(tmp_path, head)
    then(lambda: soon(lambda: Node.made), tell(number))
    assert job(tmp_path, notice_s=90.0).run() is Ending.LEFT
    (node,) = Node.made
    assert (node.head, node.offer) == (head, {"cpus": 2, "gpus": None})
    assert node.drained == pytest.approx(seconds, abs=5)
    assert not node.alive


def test_a_signal_that_comes_before_any_driver_ends_the_wait(tmp_path: Path) -> None:
    begun = job(tmp_path)
    then(lambda: soon(lambda: begun.said), tell(signal.SIGUSR1))  # pyright: ignore[reportAttributeAccessIssue]
    assert begun.run() is Ending.LEFT
    assert Node.made == []


def test_signals_are_heard_as_before_once_the_worker_has_ended(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    job(tmp_path, give_up_s=0.0).run()
    assert signal.getsignal(signal.SIGUSR1) == before


def test_a_worker_goes_from_one_driver_to_the_next(tmp_path: Path, listening: Callable[[], Head]) -> None:
    first, second = listening(), listening()
    write_head(tmp_path, first)
    then(
        lambda: soon(lambda: Node.made),
        lambda: remove_head(tmp_path, first),
        lambda: soon(lambda: not Node.made[0].alive),
        lambda: write_head(tmp_path, second),
        lambda: soon(lambda: len(Node.made) == 2),
        tell(signal.SIGTERM),
    )
    assert job(tmp_path).run() is Ending.LEFT
    assert [node.head for node in Node.made] == [first, second]
    assert Node.made[0].drained is None, "its driver was gone: nobody to ask"


def test_a_driver_that_took_another_ones_place_is_joined_at_once(
    tmp_path: Path, listening: Callable[[], Head]
) -> None:
    first, second = listening(), listening()
    write_head(tmp_path, first)
    then(
        lambda: soon(lambda: Node.made),
        lambda: write_head(tmp_path, second),
        lambda: soon(lambda: len(Node.made) == 2),
        tell(signal.SIGTERM),
    )
    job(tmp_path).run()
    assert [node.head for node in Node.made] == [first, second]


def test_a_node_that_died_joins_again(tmp_path: Path, listening: Callable[[], Head]) -> None:
    write_head(tmp_path, listening())
    then(
        lambda: soon(lambda: Node.made),
        lambda: setattr(Node.made[0], "alive", False),
        lambda: soon(lambda: len(Node.made) == 2),
        tell(signal.SIGTERM),
    )
    assert job(tmp_path).run() is Ending.LEFT


def test_a_worker_gives_up_when_no_driver_comes(tmp_path: Path) -> None:
    write_head(tmp_path, Head.here("127.0.0.1:1", "of a driver that died", "127.0.0.1:1"))
    waited = job(tmp_path, give_up_s=0.3)
    assert waited.run() is Ending.GAVE_UP
    assert Node.made == []
    assert len(waited.said) == 1  # pyright: ignore[reportAttributeAccessIssue]


def test_a_stranger_at_the_address_of_a_driver_that_died_is_not_joined(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        address = f"127.0.0.1:{stranger.getsockname()[1]}"
        write_head(tmp_path, Head.here(address, "of a driver that died", "127.0.0.1:1"))
        assert job(tmp_path, give_up_s=0.3).run() is Ending.GAVE_UP
        stranger.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.accept()
    assert Node.made == []


def test_a_worker_leaves_a_driver_that_died_without_a_word_and_joins_the_next(
    tmp_path: Path, driver: Callable[[], Driver]
) -> None:
    first, second = driver(), driver()
    write_head(tmp_path, first.head)
    then(
        lambda: soon(lambda: Node.made),
        first.die,
        lambda: soon(lambda: not Node.made[0].alive),
        # Its file is still there.
        lambda: time.sleep(0.5),
        lambda: write_head(tmp_path, second.head),
        lambda: soon(lambda: len(Node.made) == 2),
        tell(signal.SIGTERM),
    )
    left = job(tmp_path)
    assert left.run() is Ending.LEFT
    assert [node.head for node in Node.made] == [first.head, second.head]
    assert "the driver gives no sign of life, asked 6 times" in left.said  # pyright: ignore[reportAttributeAccessIssue]


def test_a_driver_that_is_silent_for_a_moment_is_not_left(
    tmp_path: Path, driver: Callable[[], Driver], monkeypatch: pytest.MonkeyPatch
) -> None:
    only = driver()
    write_head(tmp_path, only.head)
    proofs: list[bool] = []

    def proves_itself(head: Head) -> bool:
        # Every other time.
        proofs.append(not proofs or not proofs[-1])
        return proofs[-1]

    monkeypatch.setattr(Head, "proves_itself", proves_itself)
    monkeypatch.setattr(worker_job, "SILENCES", 2)
    then(lambda: soon(lambda: len(proofs) > 6), tell(signal.SIGTERM))
    assert job(tmp_path).run() is Ending.LEFT
    assert len(Node.made) == 1


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


def test_a_worker_that_cannot_join_says_why_and_gives_up(
    tmp_path: Path, listening: Callable[[], Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_head(tmp_path, listening())
    monkeypatch.setattr(Node, "alive", property(lambda self: False, lambda self, value: None), raising=False)
    tried = job(tmp_path, give_up_s=0.3)
    assert tried.run() is Ending.GAVE_UP
    assert len(Node.made) > 1
    assert "Ray has ended on this machine: another version of Ray" in tried.said  # pyright: ignore[reportAttributeAccessIssue]


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


def test_a_driver_that_does_not_answer_a_worker_that_leaves_is_told(
    tmp_path: Path, listening: Callable[[], Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_head(tmp_path, listening())
    monkeypatch.setattr(Node, "drain", lambda node, seconds, why: False)
    then(lambda: soon(lambda: Node.made), tell(signal.SIGTERM))
    leaving = job(tmp_path)
    assert leaving.run() is Ending.LEFT
    said: list[str] = leaving.said  # pyright: ignore[reportAttributeAccessIssue]
    assert said[-1] == "the driver does not let them: they go on elsewhere from their last checkpoint"
    assert not Node.made[0].alive
