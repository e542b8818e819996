"""How configurations stand, which units failed, and why there is no best one."""

import pytest

from sweep.report.board_in_words import failures, state_of, why_no_best
from sweep.study.board import Board
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitFailed, UnitPruned
from tests.sweep.histories import added, reported, trained
from tests.sweep.report.boards import BOARD


def test_every_configuration_says_how_it_stands() -> None:
    states = {one.number: state_of(one, BOARD) for one in BOARD.configurations}
    assert states == {
        0: "complete",
        1: "pruned, epoch 1",
        2: "complete",
        3: "failed, seed 2",
        4: "running",
        5: "dropped",
    }


def test_a_failure_is_told_by_the_first_line_of_its_reason() -> None:
    assert failures(BOARD) == ["0003-seed2 failed: loss is [NaN]"]


BEGUN = [
    StudyStarted((1, 2)),
    *[*added(0), *trained(0, 1, 0.5)],
    *[*added(1), *reported(1, 1, 0.4), UnitPruned(1, 1, "pruned at epoch 1: score 0.400")],
]
FAILED = [*added(2), *reported(2, 1, 0.1), UnitFailed(2, 1, "loss is NaN\nTraceback")]
NO_BEST = "no configuration has finished all 2 seeds, so there is no best one"


@pytest.mark.parametrize(
    ("events", "why"),
    [
        ([], "the study has not begun"),
        (BEGUN, "the study is not over: the furthest configuration has 1 of 2"),
        (
            [*BEGUN, *FAILED],
            "the study is not over: the furthest configuration has 1 of 2; 0002-seed1 failed: loss is NaN",
        ),
        (
            [*BEGUN, StudyStopped("interrupted")],
            "the study was stopped (interrupted): the furthest configuration has 1 of 2",
        ),
        (
            [*BEGUN, *FAILED, StudyStopped("over")],
            "units: 1 failed, 1 finished, 1 pruned; 0002-seed1 failed: loss is NaN",
        ),
    ],
)
def test_without_a_best_one_it_is_said_how_far_the_study_is_and_only_failures_are_named(
    events: list[Event], why: str
) -> None:
    assert why_no_best(Board((1, 2), events)) == f"{NO_BEST}; {why}"
