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
    return Budget(
        BudgetConfig.model_validate(limits), racing, gpus=gpus, slots=slots, epochs=lambda values: 1
    )


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
    assert budget(configurations=3).proposes(board)
    assert not budget(configurations=2).proposes(board)
    assert budget(configurations=2).plan(board, 2 * HOUR).allows_seed(0)


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
    assert budget(gpus=0.25, gpu_hours=3).plan(board, 2 * HOUR).finished == [1, 0]


@pytest.mark.parametrize("limit", ["gpu_hours", "wall_clock"])
def test_a_spent_budget_says_so(limit: str) -> None:
    board = board_of([[0.5, 0.5]])
    exactly: dict[str, Any] = {limit: 2}
    a_little_more: dict[str, Any] = {limit: 2.01}
    assert budget(**exactly).spent(board, 2 * HOUR) == f"budget spent: {limit} 2 of 2"
    assert budget(**a_little_more).spent(board, 2 * HOUR) is None


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
    assert budget(until=until).proposes(board) is goes_on
    assert budget(until=until).plan(board, 0).allows_seed(0)


def test_a_budget_without_numbers_has_no_uses() -> None:
    until = {"for_configurations": 2}
    assert budget(until=until).uses(board_of([]), math.inf) == []


@pytest.mark.parametrize(
    ("limits", "stopped", "raised"),
    [
        ({"configurations": 2, "gpu_hours": 9}, "over", "budget.configurations=4"),
        ({"configurations": 2, "gpu_hours": 4.5}, "ended with seeds to come", "budget.gpu_hours=9"),
        ({"units": 4, "wall_clock": 30}, "over", "budget.units=8"),
        ({"gpu_hours": 4.1, "wall_clock": 30}, "budget spent: gpu_hours 4.1 of 4.1", "budget.gpu_hours=8.2"),
        ({"configurations": 9, "until": {"for_configurations": 1}}, "over", "budget.until=null"),
        ({"configurations": 9}, "over", None),
    ],
)
def test_the_limit_that_was_reached_is_the_one_to_raise(
    limits: dict[str, Any], stopped: str, raised: str | None
) -> None:
    board = board_of([[0.6, 0.6], [0.5, 0.5]])
    board.apply(StudyStopped(stopped, at=4 * HOUR))
    assert budget(**limits).raised(board, 4 * HOUR) == raised
