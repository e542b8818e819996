"""A study as its events give it to the driver that comes next."""

import pytest

from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from tests.sweep.histories import added, epoch
from tests.sweep.study.worlds import World


def test_the_events_of_a_study_give_its_board_back() -> None:
    world = World(seeds=(1,), bar=0.3, budget={"configurations": 3})
    for _ in range(3):
        world.start()
    world.train(0, 1, 0.4, 0.6)
    world.coordinator.report(1, 1, epoch(1, 0.1))
    world.coordinator.failed(2, 1, "the loss is NaN")
    world.coordinator.stop()
    assert Board(events=world.heard).configurations == world.board.configurations
    assert [type(event) for event in world.heard] == [
        StudyStarted,
        *(3 * [ConfigurationAdded, UnitStarted]),
        *(2 * [EpochReported]),
        UnitFinished,
        EpochReported,
        UnitPruned,
        UnitFailed,
        StudyStopped,
    ]


def test_a_study_whose_driver_died_goes_on_where_it_was() -> None:
    first = World()
    first.start()
    first.clock.now = 50.0
    first.coordinator.report(0, 1, epoch(1, 0.5))
    second = World(past=first.heard)
    lost = [event for event in second.heard if isinstance(event, UnitLost)]
    assert [(event.counts, event.reason, event.at) for event in lost] == [(False, "its driver died", 50.0)]
    assert second.start() == (0, 1)
    assert len(second.board.unit(0, 1).curve) == 1
    assert second.start() == (1, 1)


def test_a_unit_is_charged_until_the_last_sign_of_life_of_the_driver_that_ran_it() -> None:
    first = World()
    first.start()
    first.clock.now = 50.0
    first.coordinator.report(0, 1, epoch(1, 0.5))
    second = World(past=first.heard, last_sign=70.0)
    assert second.board.gpu_seconds(99.0) == 70.0


def test_a_study_that_let_go_of_what_ran_without_saying_so_goes_on() -> None:
    past: list[Event] = [
        StudyStarted((1,)),
        *added(0),
        UnitStarted(0, 1),
        StudyStopped("interrupted", at=5.0),
    ]
    world = World(seeds=(1,), past=past)
    assert world.start() == (0, 1)
    assert world.board.unit(0, 1).attempts[0].ended == 5.0


def test_a_configuration_that_was_added_and_not_started_is_started() -> None:
    past: list[Event] = [StudyStarted((1, 2)), *added(0)]
    assert World(past=past).start() == (0, 1)


def test_further_seeds_open_a_finished_study_again() -> None:
    first = World(seeds=(1,), budget={"configurations": 1})
    first.play({0: [0.5]})
    assert first.coordinator.stop() == "over"
    second = World(seeds=(1, 2), budget={"configurations": 1}, past=first.heard)
    assert second.start() == (0, 2)


@pytest.mark.parametrize("later_s", [7200, -3600], ids=["later", "by a clock that was set back"])
def test_hours_are_a_hard_limit_and_are_counted_over_sessions(later_s: int) -> None:
    scores = {number: [0.5] for number in range(9)}
    first = World(seeds=(1,), budget={"gpu_hours": 5.2})
    first.play(scores, most=2)
    first.coordinator.halt("interrupted")
    first.coordinator.stop()
    second = World(seeds=(1,), budget={"gpu_hours": 5.2}, past=first.heard)
    second.clock.now = first.clock.now + later_s
    assert len(second.play(scores)) == 3
    assert second.board.gpu_seconds(second.clock.now) == 5 * 3600
