import math
from typing import Any

import pytest

from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.study.racing import ContendersConfig, NoRacingConfig

HOUR = 3600.0


def budget(*, gpus: float = 1, slots: int = 1, race: bool = True, **limits: Any) -> Budget:
    racing = ContendersConfig() if race else NoRacingConfig()
    return Budget(BudgetConfig.model_validate(limits), racing, gpus=gpus, slots=slots)


def board_of(scores: list[list[float]], seeds: tuple[int, ...] = (1, 2), gpus: float = 1) -> Board:
    """Units of an hour each, one after the other from 0 on; a score of 0 is pruned."""
    events: list[Event] = [StudyStarted(seeds, gpus=gpus)]
    now = 0.0
    for number, row in enumerate(scores):
        events.append(ConfigurationAdded(number, {}, at=now))
        for seed, score in zip(seeds, row, strict=False):
            report = {"epoch": 1, "score": score}
            events += [UnitStarted(number, seed, at=now), EpochReported(number, seed, report, at=now)]
            now += HOUR
            end = UnitFinished(number, seed, 1, at=now) if score else UnitPruned(number, seed, "low", at=now)
            events.append(end)
    return Board(events=events)


def test_a_study_without_limits_tries_twenty_configurations() -> None:
    assert BudgetConfig().configurations == 20
    assert BudgetConfig(gpu_hours=3).configurations is None


@pytest.mark.parametrize("content", [{}, {"configurations": None}])
def test_an_empty_budget_is_twenty_configurations(content: dict[str, Any]) -> None:
    assert BudgetConfig.model_validate(content).configurations == 20


def test_configurations_are_counted() -> None:
    board = board_of([[0.5], [0.6]])
    assert budget(configurations=3).allows_configuration(board, 2 * HOUR)
    assert not budget(configurations=2).allows_configuration(board, 2 * HOUR)
    assert budget(configurations=2).allows_seed(board, 2 * HOUR, 0)


def test_a_gpu_shared_costs_its_share() -> None:
    (use,) = budget(gpus=0.25, gpu_hours=1).uses(board_of([[0.5], [0.6]], gpus=0.25), 2 * HOUR)
    assert (use.limit, use.used, use.allowed) == ("gpu_hours", 0.5, 1)


def test_what_was_spent_stays_spent_when_units_come_to_hold_less() -> None:
    board = board_of([[0.5], [0.6]], gpus=1)
    board.apply(StudyStopped("interrupted", at=2 * HOUR))
    board.apply(StudyStarted((1, 2), gpus=0.25, at=2 * HOUR))
    (use,) = budget(gpus=0.25, gpu_hours=3).uses(board, 2 * HOUR)
    assert use.used == 2
    # An hour is left, which is four units of a quarter.
    assert budget(gpus=0.25, gpu_hours=3).allows_all_seeds(board, 2 * HOUR, 0)


def test_a_unit_starts_only_when_one_like_those_before_fits() -> None:
    board = board_of([[0.5, 0.5]])
    assert budget(gpu_hours=3).allows_seed(board, 2 * HOUR, 0)
    assert not budget(gpu_hours=2.9).allows_seed(board, 2 * HOUR, 0)
    assert not budget(wall_clock=2.9).allows_seed(board, 2 * HOUR, 0)


def test_what_runs_is_paid_for_before_more_is_started() -> None:
    board = board_of([[0.5, 0.5]])
    board.apply(ConfigurationAdded(1, {}))
    board.apply(UnitStarted(1, 1, at=2 * HOUR))
    assert not budget(gpu_hours=3.5).allows_seed(board, 2 * HOUR, 0)
    assert budget(gpu_hours=4).allows_seed(board, 2 * HOUR, 0)


@pytest.mark.parametrize("limit", ["gpu_hours", "wall_clock"])
def test_a_spent_budget_says_so(limit: str) -> None:
    board = board_of([[0.5, 0.5]])
    exactly: dict[str, Any] = {limit: 2}
    a_little_more: dict[str, Any] = {limit: 2.01}
    assert budget(**exactly).spent(board, 2 * HOUR) == f"budget spent: {limit} 2 of 2"
    assert budget(**a_little_more).spent(board, 2 * HOUR) is None


def test_the_finalists_and_a_share_for_the_race_are_kept_back() -> None:
    # Three that lead lack a seed each; a fourth would take one, and may come to lead in place of one of them.
    board = board_of([[0.5], [0.6], [0.7]])
    assert not budget(units=6).allows_configuration(board, 0)
    assert budget(units=7).allows_configuration(board, 0)
    # Of 30 units a third is the race's: 20 first seeds.
    full = board_of([[0.5]] * 20)
    assert not budget(units=30).allows_configuration(full, 0)
    assert budget(units=30).allows_configuration(full, 0, race=False)


def test_what_has_no_score_yet_may_come_to_lead() -> None:
    board = board_of([[0.5, 0.5], [0.6, 0.6], [0.7, 0.7]])
    assert budget(units=8).allows_configuration(board, 0, race=False)
    board.apply(ConfigurationAdded(3, {}))
    board.apply(UnitStarted(3, 1))
    assert not budget(units=9).allows_configuration(board, 0, race=False)
    assert budget(units=10).allows_configuration(board, 0, race=False)


def test_a_contender_leaves_the_leaders_what_they_lack() -> None:
    # Three leaders lack a seed each. The fourth's second seed leaves them three units if eight are allowed.
    board = board_of([[0.7], [0.6], [0.65], [0.5]])
    assert budget(units=8).allows_seed(board, 0, 3)
    assert not budget(units=7).allows_seed(board, 0, 3)
    assert budget(units=7).allows_seed(board, 0, 1)


def test_a_leader_leaves_what_three_need_to_be_finished() -> None:
    # After two seeds of three the first three lack one each; the fourth leads now, and lacks two.
    board = board_of([[0.7, 0.5], [0.7, 0.5], [0.7, 0.5], [0.65]], seeds=(1, 2, 3))
    assert 3 in board.scores.leaders(3)
    assert not budget(units=10).allows_seed(board, 0, 3)
    assert budget(units=11).allows_seed(board, 0, 3)
    assert budget(units=10).allows_seed(board, 0, 0)
    assert budget(units=8).allows_all_seeds(board, 0, 0)
    assert not budget(units=8).allows_all_seeds(board, 0, 3)


def test_without_a_race_every_configuration_is_paid_for_in_full() -> None:
    board = board_of([[0.5], [0.6]])
    assert not budget(units=5, race=False).allows_configuration(board, 0)
    assert budget(units=6, race=False).allows_configuration(board, 0)


def test_pruned_configurations_need_no_further_seed() -> None:
    assert budget(units=4, race=False).allows_configuration(board_of([[0.0], [0.0]]), 0)


@pytest.mark.parametrize(
    ("scores", "goes_on"),
    [
        ([0.5, 0.6, 0.59], True),
        ([0.5, 0.6, 0.59, 0.605], False),
        ([0.5, 0.6, 0.59, 0.62], True),
        ([0.6, 0.0, 0.0], False),
    ],
)
def test_a_search_that_no_longer_improves_ends(scores: list[float], goes_on: bool) -> None:
    until = {"no_improvement_of": 0.01, "for_configurations": 2}
    board = board_of([[score] for score in scores], seeds=(1,))
    assert budget(until=until).allows_configuration(board, 0) is goes_on
    assert budget(until=until).allows_seed(board, 0, 0)


def test_a_budget_without_numbers_has_no_uses() -> None:
    until = {"for_configurations": 2}
    assert budget(until=until).uses(board_of([]), math.inf) == []
