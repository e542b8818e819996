"""A loop in a thread of its own: what comes out of it, and how it is ended or left behind."""

import threading
from collections.abc import Callable, Iterator

import pytest

from sweep.execution.tune_thread import TuneThread


def no_trouble() -> None:
    return None


def no_halt(reason: str) -> None:
    raise AssertionError(f"halted: {reason}")


def test_a_loop_runs_to_its_end_and_ticks() -> None:
    ticks: list[str] = []

    def loop(tick: Callable[[], None]) -> None:
        tick()
        tick()

    thread = TuneThread(loop, lambda: ticks.append(threading.current_thread().name))
    thread.run(no_trouble, no_halt)
    assert ticks == ["ray tune", "ray tune"]
    assert not thread.left_behind


def test_what_a_loop_raises_comes_out() -> None:
    def loop(tick: Callable[[], None]) -> None:
        raise OSError("no space")

    thread = TuneThread(loop, lambda: None)
    with pytest.raises(OSError, match="no space"):
        thread.run(no_trouble, no_halt)
    assert not thread.left_behind


def test_a_loop_that_hears_of_trouble_ends_by_itself() -> None:
    halted = threading.Event()

    def loop(tick: Callable[[], None]) -> None:
        assert halted.wait(60)

    thread = TuneThread(loop, lambda: None, look_every_s=0.001)
    thread.run(lambda: "Ray died", lambda reason: halted.set())
    assert not thread.left_behind


def test_a_loop_that_waits_for_ever_is_left_behind_and_its_next_call_back_raises() -> None:
    answers, raised = threading.Event(), threading.Event()
    reasons, ticks = list[str](), list[bool]()

    def loop(tick: Callable[[], None]) -> None:
        assert answers.wait(60)
        try:
            tick()
        except KeyboardInterrupt:
            raised.set()

    thread = TuneThread(loop, lambda: ticks.append(True), look_every_s=0.001, grace_s=0.001)
    thread.run(lambda: "Ray died", reasons.append)
    assert thread.left_behind
    assert reasons == ["Ray died"]
    answers.set()
    assert raised.wait(60)
    assert ticks == []


@pytest.mark.parametrize("listens", [True, False])
def test_a_second_signal_ends_a_loop_at_its_next_call_back_or_leaves_it_behind(listens: bool) -> None:
    ended = threading.Event()

    def loop(tick: Callable[[], None]) -> None:
        while not ended.wait(0.001):
            if listens:
                tick()

    def signals() -> Iterator[None]:
        yield None
        raise KeyboardInterrupt

    signal = signals()
    thread = TuneThread(loop, lambda: None, look_every_s=0.001, grace_s=60 if listens else 0.001)
    with pytest.raises(KeyboardInterrupt):
        thread.run(lambda: next(signal), no_halt)
    assert thread.left_behind is not listens
    ended.set()
