import errno
import threading
from typing import Any

import pytest
import torch

from model.training.timed_saves import TimedSaves


class Disk:
    """Takes states, one at a time; a write takes until `go_on` is set."""

    def __init__(self) -> None:
        self.states: list[dict[str, Any]] = []
        self.threads: list[int] = []
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: OSError | None = None

    def write(self, state: dict[str, Any]) -> None:
        assert self.go_on.wait(60)
        self.threads.append(threading.get_ident())
        if self.error is not None:
            raise self.error
        self.states.append(state)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def nothing() -> dict[str, Any]:
    raise AssertionError("the state of an epoch that is not saved is not asked for")


def test_a_run_is_saved_when_the_minutes_have_passed_since_the_last_save(disk: Disk, clock: Clock) -> None:
    saves = TimedSaves(disk.write, 2.0, clock)
    clock.now += 119
    assert not saves.epoch_ended(nothing)
    clock.now += 1
    assert saves.epoch_ended(lambda: {"epoch": 2})
    clock.now += 119
    assert not saves.epoch_ended(nothing)
    saves.wait()
    saves.save({"epoch": 3})
    clock.now += 119
    assert not saves.epoch_ended(nothing)
    clock.now += 1
    assert saves.epoch_ended(lambda: {"epoch": 5})
    saves.close()
    assert [state["epoch"] for state in disk.states] == [2, 3, 5]


def test_with_no_minutes_every_epoch_is_written_before_training_goes_on(disk: Disk, clock: Clock) -> None:
    saves = TimedSaves(disk.write, 0.0, clock)
    assert saves.every_epoch
    for epoch in (1, 2):
        assert saves.epoch_ended(lambda epoch=epoch: {"epoch": epoch})
        assert disk.states[-1] == {"epoch": epoch}
    assert set(disk.threads) == {threading.get_ident()}


def test_what_is_written_is_the_state_of_the_epoch_though_training_goes_on(disk: Disk, clock: Clock) -> None:
    saves = TimedSaves(disk.write, 1.0, clock)
    weight = torch.nn.Parameter(torch.ones(3))
    moments = {"state": {0: {"step": torch.tensor(4.0), "exp_avg": torch.zeros(3)}}}
    places = [torch.arange(2)]
    state = {"modules": {"w": weight}, "optimiser": moments, "begun": {"drop_path": places}, "seed": 7}
    disk.go_on.clear()
    clock.now += 60
    assert saves.epoch_ended(lambda: state)
    with torch.no_grad():
        weight.add_(1)
        moments["state"][0]["exp_avg"].add_(1)
        places[0].add_(1)
    assert disk.states == []
    disk.go_on.set()
    saves.close()
    (written,) = disk.states
    assert written["modules"]["w"].tolist() == [1, 1, 1]
    assert not written["modules"]["w"].requires_grad
    assert written["optimiser"]["state"][0]["exp_avg"].tolist() == [0, 0, 0]
    assert written["begun"]["drop_path"][0].tolist() == [0, 1]
    assert written["seed"] == 7
    assert disk.threads != [threading.get_ident()]


def test_a_save_waits_for_the_one_before(disk: Disk, clock: Clock) -> None:
    saves = TimedSaves(disk.write, 1.0, clock)
    disk.go_on.clear()
    clock.now += 60
    saves.epoch_ended(lambda: {"epoch": 1})
    clock.now += 60
    asked: list[int] = []

    def second() -> dict[str, Any]:
        asked.append(len(disk.states))
        return {"epoch": 2}

    later = threading.Thread(target=lambda: saves.epoch_ended(second))
    later.start()
    later.join(0.05)
    assert asked == []
    disk.go_on.set()
    later.join()
    saves.save({"epoch": 3})
    assert asked == [1]
    assert [state["epoch"] for state in disk.states] == [1, 2, 3]


@pytest.mark.parametrize("asks", ["epoch_ended", "save", "wait", "close"])
def test_what_goes_wrong_in_the_thread_comes_out_of_the_next_call_once(
    disk: Disk, clock: Clock, asks: str
) -> None:
    saves = TimedSaves(disk.write, 1.0, clock)
    disk.error = OSError(errno.ENOSPC, "No space left on device")
    clock.now += 60
    saves.epoch_ended(lambda: {"epoch": 1})
    written = saves._writing  # pyright: ignore[reportPrivateUsage]
    assert written is not None
    assert written.exception() is disk.error
    call = {
        "epoch_ended": lambda: saves.epoch_ended(nothing),
        "save": lambda: saves.save({}),
        "wait": saves.wait,
        "close": saves.close,
    }[asks]
    with pytest.raises(OSError, match="No space left on device") as raised:
        call()
    assert raised.value is disk.error
    disk.error = None
    saves.save({"epoch": 2})
    saves.close()
    assert disk.states == [{"epoch": 2}]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_from_a_gpu_the_copy_holds_what_lay_there_and_is_pinned(disk: Disk, clock: Clock) -> None:
    saves = TimedSaves(disk.write, 1.0, clock)
    weight = torch.ones(1 << 20, device="cuda")
    clock.now += 60
    saves.epoch_ended(lambda: {"w": weight})
    weight.add_(1)
    saves.close()
    (written,) = disk.states
    assert written["w"].is_pinned()
    assert bool((written["w"] == 1).all())
