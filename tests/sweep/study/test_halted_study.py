"""What halts a study before it is over, and what then becomes of its units."""

import errno

import pytest

from sweep.study.failures import FAILURES_IN_A_ROW
from sweep.study.units import State
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World


def test_a_halted_study_starts_nothing_and_what_runs_waits() -> None:
    world = World()
    world.start()
    world.coordinator.halt("interrupted")
    world.coordinator.halt("something later")
    assert world.start() is None
    assert world.coordinator.stop() == "interrupted"
    assert world.board.unit(0, 1).state is State.WAITING
    assert world.board.unit(0, 1).failures == 0
    assert world.board.stopped == "interrupted"


def test_what_still_runs_when_the_hours_are_spent_is_halted() -> None:
    world = World(budget={"wall_clock": 1})
    world.start()
    world.clock.now = 3599
    world.coordinator.keep_to_budget()
    assert world.coordinator.halted is None
    world.clock.now = 3601
    world.coordinator.keep_to_budget()
    assert world.coordinator.halted == "budget spent: wall_clock 1 of 1"
    assert not world.coordinator.interrupted


def test_units_that_fail_one_after_the_other_halt_the_study() -> None:
    world = World(budget={"gpu_hours": 1})
    for number in range(FAILURES_IN_A_ROW):
        assert world.start() == (number, 1)
        world.coordinator.failed(number, 1, "CUDA error: device-side assert triggered\nTraceback")
    assert world.start() is None
    assert (
        world.coordinator.halted
        == "10 units failed one after the other, at last: CUDA error: device-side assert triggered"
    )


def test_units_that_end_an_epoch_and_then_fail_halt_the_study_too() -> None:
    world = World(budget={"gpu_hours": 1})
    for number in range(FAILURES_IN_A_ROW):
        assert world.coordinator.halted is None
        world.start()
        world.coordinator.report(number, 1, epoch(1, 0.5))
        world.coordinator.failed(number, 1, "the loss is NaN")
    assert world.coordinator.halted == "10 units failed one after the other, at last: the loss is NaN"


@pytest.mark.parametrize("sign", ["epoch", "pruned", "finished"])
def test_failures_are_not_in_a_row_when_another_unit_comes_on_between(sign: str) -> None:
    world = World(seeds=(1,), budget={"configurations": 99}, bar=0.3, slots=2)
    for number in range(2):
        assert world.start() == (number, 1)
    for number in range(1, 3 * FAILURES_IN_A_ROW):
        if number % 9 == 0:
            if sign == "epoch":
                world.coordinator.report(0, 1, epoch(len(world.board.unit(0, 1).curve) + 1, 0.5))
            elif sign == "pruned":
                assert world.coordinator.report(number, 1, epoch(1, 0.1))
            else:
                world.train(number, 1, 0.5)
        if sign == "epoch" or number % 9:
            world.coordinator.failed(number, 1, "the loss is NaN")
        assert world.start() == (number + 1, 1)
    assert world.coordinator.halted is None


def test_machines_that_lack_what_units_need_halt_the_study_and_fail_nothing() -> None:
    world = World(max_failures=0)
    world.start()
    for _ in range(FAILURES_IN_A_ROW - 1):
        world.coordinator.lost(0, 1, "DataPreparationError: no such features\nTraceback", cause="machine")
        assert world.start() == (0, 1)
    world.coordinator.lost(0, 1, "DataPreparationError: no such features\nTraceback", cause="machine")
    assert world.start() is None
    assert (
        world.coordinator.halted
        == "10 times a unit died, and no epoch was ended meanwhile; at last: DataPreparationError: no such features"
    )
    assert world.board.unit(0, 1).failures == 0


def test_deaths_do_not_halt_a_study_in_which_a_unit_is_in_a_long_first_epoch() -> None:
    world = World(slots=2)
    world.start()
    world.start()
    for _ in range(30):
        world.clock.now += 5
        world.coordinator.lost(1, 1, "DataPreparationError: no such features", cause="machine")
        assert world.start() == (1, 1)
    assert world.coordinator.halted is None


def test_a_full_disk_halts_the_study_and_another_error_does_not() -> None:
    world = World()
    with world.coordinator.halting_on_full_disk():
        raise OSError(errno.ENOSPC, "No space left on device", "optuna.journal")
    assert world.coordinator.halted == "No space left on device: optuna.journal"
    with pytest.raises(OSError, match=r"Input/output"), world.coordinator.halting_on_full_disk():
        raise OSError(errno.EIO, "Input/output error")
