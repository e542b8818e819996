"""What a budget will finish, what fits beside it, and how long units are expected to take."""

import math
from typing import Any

import pytest

from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    StudyStarted,
    UnitFinished,
    UnitStarted,
)
from sweep.study.plan import Durations, Plan, Room, durations_of
from sweep.study.racing import ContendersConfig, NoRacingConfig
from tests.sweep.histories import epoch
from tests.sweep.study.test_budget import HOUR, board_of
from tests.sweep.study.worlds import World


def plan(board: Board, now: float = 0.0, *, slots: int = 1, race: bool = True, **limits: Any) -> Plan:
    racing = ContendersConfig() if race else NoRacingConfig()
    limited = BudgetConfig.model_validate(limits)
    return Budget(limited, racing, gpus=1, slots=slots, epochs=lambda values: 1).plan(board, now)


def board_of_hours(hours: list[float], seeds: tuple[int, ...] = (1, 2)) -> Board:
    """One seed of each configuration, which took so long; the first has the best score. All start at 0."""
    board = Board(events=[StudyStarted(seeds, gpus=1)])
    for number in range(len(hours)):
        board.apply(ConfigurationAdded(number, {}))
        board.apply(UnitStarted(number, 1))
    for number, long in enumerate(hours):
        board.apply(EpochReported(number, 1, epoch(1, 0.6 - 0.01 * number), at=long * HOUR))
        board.apply(UnitFinished(number, 1, 1, at=long * HOUR))
    return board


def test_a_unit_starts_only_when_one_like_those_of_its_configuration_fits() -> None:
    board = board_of_hours([2.0, 1.0], seeds=(1, 2))
    assert plan(board, gpu_hours=6.2).finished == [0, 1]
    # An hour and a half is left: the second seed of the better one, of two hours, does not fit.
    assert plan(board, gpu_hours=4.5).finished == [1]
    assert not plan(board, gpu_hours=4.5).allows_seed(0)
    assert plan(board, gpu_hours=4.5).allows_seed(1)
    assert not plan(board, gpu_hours=4.0).allows_seed(1)


def test_as_many_as_three_are_finished_rather_than_a_better_one() -> None:
    # The best lacks four units of six that are left, the others two each.
    board = board_of([[0.9], [0.7, 0.7, 0.7], [0.6, 0.6, 0.6], [0.5, 0.5, 0.5]], seeds=(1, 2, 3, 4, 5))
    assert plan(board, units=16).finished == [1, 2, 3]
    assert plan(board, units=18).finished == [0, 1, 2]
    # With room for two, those that can be, the better ones first.
    assert plan(board, units=14).finished == [1, 2]


def test_a_wall_clock_is_planned_device_by_device() -> None:
    board = board_of_hours([1.0], seeds=(1, 2, 3, 4, 5))
    # Four seeds of an hour: on four devices in an hour, on two in two.
    assert plan(board, HOUR, slots=4, wall_clock=2.1).finished == [0]
    assert plan(board, HOUR, slots=2, wall_clock=2.1).finished == []
    assert plan(board, HOUR, slots=2, wall_clock=3.2).finished == [0]


def test_units_that_may_end_in_time_are_waited_for_before_another_configuration_starts() -> None:
    # Eight began together; the first has reported, and the wall clock has room for one more round of eight.
    board = Board(events=[StudyStarted((1, 2, 3, 4, 5), gpus=1)])
    for number in range(8):
        board.apply(ConfigurationAdded(number, {}))
        board.apply(UnitStarted(number, 1))
    board.apply(EpochReported(0, 1, epoch(1, 0.6), at=HOUR))
    board.apply(UnitFinished(0, 1, 1, at=HOUR))
    assert not plan(board, HOUR, slots=8, wall_clock=3.0).spares_configuration()


def test_what_runs_is_paid_for_before_more_is_started() -> None:
    board = board_of([[0.5, 0.5], [0.4]])
    board.apply(UnitStarted(1, 2, at=3 * HOUR))
    assert not plan(board, 3 * HOUR, gpu_hours=5.0).spares_seed(1)
    assert plan(board, 3 * HOUR, gpu_hours=5.2).spares_seed(1)


def test_the_finalists_and_a_share_for_the_race_are_kept_back() -> None:
    # Three that lead lack a seed each; a fourth would take one, and may come to lead in place of one of them.
    board = board_of([[0.5], [0.6], [0.7]])
    assert not plan(board, units=6).allows_configuration(race=True)
    assert plan(board, units=7).allows_configuration(race=True)
    # Of 30 units a third is the race's: 20 first seeds.
    full = board_of([[0.5]] * 20)
    assert not plan(full, units=30).allows_configuration(race=True)
    assert plan(full, units=30).allows_configuration(race=False)


def test_what_has_no_score_yet_may_come_to_lead() -> None:
    board = board_of([[0.5, 0.5], [0.6, 0.6], [0.7, 0.7]])
    assert plan(board, units=8).allows_configuration(race=False)
    board.apply(ConfigurationAdded(3, {}))
    board.apply(UnitStarted(3, 1))
    assert not plan(board, units=9).allows_configuration(race=False)
    assert plan(board, units=10).allows_configuration(race=False)


def test_a_contender_leaves_the_leaders_what_they_lack() -> None:
    # Three leaders lack a seed each. The fourth's second seed leaves them three units if eight are allowed.
    board = board_of([[0.7], [0.6], [0.65], [0.5]])
    assert plan(board, units=8).allows_seed(3)
    assert not plan(board, units=7).allows_seed(3)
    assert plan(board, units=7).allows_seed(1)


def test_without_a_race_every_configuration_is_paid_for_in_full() -> None:
    board = board_of([[0.5], [0.6]])
    assert not plan(board, units=5, race=False).allows_configuration(race=True)
    assert plan(board, units=6, race=False).allows_configuration(race=True)
    assert not plan(board, units=5, race=False).spares_configuration()


def test_pruned_configurations_need_no_further_seed() -> None:
    assert plan(board_of([[0.0], [0.0]]), units=4, race=False).allows_configuration(race=True)


def test_what_can_no_longer_be_finished_starts_when_nothing_else_can() -> None:
    board = board_of([[0.7, 0.7], [0.6, 0.6], [0.65, 0.65]])
    last = plan(board, units=7)
    assert not last.allows_configuration(race=False)
    assert last.spares_configuration()
    assert not plan(board, units=6).spares_configuration()


def test_few_start_at_once_until_it_is_known_how_long_they_take() -> None:
    board = Board(events=[StudyStarted((1, 2), gpus=1)])
    for number in range(3):
        assert plan(board, slots=9, gpu_hours=100).allows_configuration(race=True)
        board.apply(ConfigurationAdded(number, {}))
        board.apply(UnitStarted(number, 1))
    assert plan(board, slots=9, gpu_hours=100).learns
    assert not plan(board, slots=9, gpu_hours=100).allows_configuration(race=True)
    # Waiting would spend a wall clock, and leave units as they are.
    assert plan(board, slots=9, wall_clock=100).allows_configuration(race=True)
    assert plan(board, units=100).allows_configuration(race=True)
    board.apply(EpochReported(0, 1, epoch(1), at=HOUR))
    assert plan(board, HOUR, slots=9, gpu_hours=100).allows_configuration(race=True)


def test_a_configuration_that_reported_is_known_and_another_is_like_the_mean() -> None:
    board = board_of_hours([1.0, 3.0])
    board.apply(ConfigurationAdded(2, {}))
    board.apply(UnitStarted(2, 1, at=3 * HOUR))
    durations = durations_of(board, 3 * HOUR, lambda number: 2 if number == 2 else 1, careful=False)
    assert durations.units / HOUR == pytest.approx([1.05, 3.15, 2 * 2.1])
    assert durations.left[2, 1] / HOUR == pytest.approx(4.2)
    assert (durations.timed, durations.untimed) == (2, 1)


def test_what_is_late_is_expected_to_take_as_long_again() -> None:
    board = board_of_hours([1.0])
    board.apply(ConfigurationAdded(1, {}))
    board.apply(UnitStarted(1, 1, at=HOUR))
    hopeful, careful = (
        durations_of(board, 4 * HOUR, lambda number: 1, careful=careful) for careful in (False, True)
    )
    assert hopeful.left[1, 1] == 3 * HOUR
    # Its three hours count in what a new configuration is taken for, though it has not ended.
    assert hopeful.new / HOUR == pytest.approx(1.05 * 2)
    assert careful.new / HOUR == pytest.approx(1.05 * 4)


def test_where_nothing_can_be_finished_a_new_configuration_may_be_faster() -> None:
    world = World(seeds=(1, 2, 3), budget={"gpu_hours": 10}, racing=ContendersConfig())
    world.start()
    world.clock.now = 4 * HOUR
    world.train(0, 1, 0.5)
    # Of six hours two seeds of four hours are not to be had.
    assert world.start() == (1, 1)
    world.clock.now += HOUR
    world.train(1, 1, 0.4)
    assert world.start() == (1, 2)


def test_room_is_used_up_by_units_one_after_the_other() -> None:
    room = Room(units=3, device_seconds=10.0, seconds=4.0, free=(0.0, 1.0))
    assert room.after([3.0, 3.0]) == Room(1, 4.0, 4.0, (3.0, 4.0))
    assert room.after([3.0, 3.0, 1.0]) == Room(0, 3.0, 4.0, (4.0, 4.0))
    assert room.after([4.5]) is None
    assert room.after([1.0] * 4) is None
    assert Room(device_seconds=5.0).after([3.0, 3.0]) is None
    assert room.count(2.0) == 3
    assert Room(seconds=4.0, free=(0.0, 1.0)).count(2.0) == 3


def test_a_budget_without_limits_has_room_for_everything() -> None:
    endless = plan(board_of([[0.5]]), configurations=9)
    assert endless.allows_configuration(race=True)
    assert endless.allows_seed(0)
    assert Room().after([math.inf] * 99) is not None
    assert Durations.alike(2).units.tolist() == [1.0, 1.0]
