"""Time that a study is charged for, on machines whose clock is set."""

import pytest

from sweep.driver.steady_clock import SteadyClock
from sweep.study.board import Board
from sweep.study.events import StudyStarted


@pytest.mark.parametrize("hours", [3, -3])
def test_a_clock_that_jumps_spends_nothing(hours: int) -> None:
    wall, passed = [1.7e9], [50.0]
    clock = SteadyClock(lambda: wall[0], lambda: passed[0])
    board = Board(events=[StudyStarted((1,), at=clock())])
    wall[0] += hours * 3600
    passed[0] += 60
    assert clock() == 1.7e9 + 60
    assert board.wall_seconds(clock()) == 60
