"""When a worker joins, leaves and gives up, with a stand-in for its node (real: tests/scenarios/test_workers.py)."""

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.execution import worker_job
from sweep.execution.head_file import Head, remove_head, write_head
from sweep.execution.worker_job import Ending
from tests.sweep.execution.stand_in_drivers import Driver, Node, job, soon, tell, then

pytestmark = pytest.mark.usefixtures("quick")


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


def test_a_worker_that_cannot_join_says_why_and_gives_up(
    tmp_path: Path, listening: Callable[[], Head], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_head(tmp_path, listening())
    monkeypatch.setattr(Node, "alive", property(lambda self: False, lambda self, value: None), raising=False)
    tried = job(tmp_path, give_up_s=0.3)
    assert tried.run() is Ending.GAVE_UP
    assert len(Node.made) > 1
    assert "Ray has ended on this machine: another version of Ray" in tried.said  # pyright: ignore[reportAttributeAccessIssue]


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
