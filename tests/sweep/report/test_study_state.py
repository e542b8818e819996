import pytest

from sweep.report.study_state import state_of_study
from sweep.study.board import Board
from sweep.study.events import StudyStarted, StudyStopped


@pytest.mark.parametrize(
    ("stopped", "shown"),
    [
        ("over", "over"),
        ("interrupted", "paused: interrupted"),
        ("budget spent: units 4 of 4", "paused: budget spent: units 4 of 4"),
        ("ended with seeds to come", "paused: ended with seeds to come"),
        ("No space left on device: studies", "halted: No space left on device: studies"),
    ],
)
def test_a_study_that_stopped_says_whether_somebody_wanted_that(stopped: str, shown: str) -> None:
    assert str(state_of_study(Board((1,), [StudyStarted((1,)), StudyStopped(stopped)]), None)) == shown


def test_a_study_runs_while_somebody_holds_its_lock() -> None:
    board = Board((1,), [StudyStarted((1,))])
    assert str(state_of_study(board, "process 7 on lab")) == "running: process 7 on lab"
    assert state_of_study(board, None).word == "died"
    assert state_of_study(Board(), None).word == "not begun"
