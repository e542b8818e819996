"""How long a study that is halted waits for its units."""

from dataclasses import dataclass
from typing import cast

import pytest

from sweep.execution.pause import LONGEST_S, Pause
from sweep.study.coordinator import Coordinator


@dataclass
class Halted:
    """What a pause sees of a study."""

    halted: str | None = None
    at_once: bool = False
    at_work: int = 2
    now: float = 0.0
    notices: int = 0

    def pause(self) -> Pause:
        def notice() -> None:
            self.notices += 1

        study = cast("Coordinator", self)
        return Pause(study, lambda: self.at_work, notice, lambda: self.now)


def test_nothing_is_over_while_a_study_runs() -> None:
    study = Halted()
    assert not study.pause().over()
    assert study.notices == 0


def test_units_get_notice_once_and_are_waited_for_until_they_have_left() -> None:
    study = Halted(halted="interrupted")
    pause = study.pause()
    assert not pause.over()
    study.at_work = 1
    assert not pause.over()
    study.at_work = 0
    assert pause.over()
    assert study.notices == 1


def test_units_that_do_not_leave_are_waited_for_no_longer_than_that() -> None:
    study = Halted(halted="interrupted")
    pause = study.pause()
    assert not pause.over()
    study.now = LONGEST_S - 1
    assert not pause.over()
    study.now = LONGEST_S
    assert pause.over()


@pytest.mark.parametrize("study", [Halted("no space", at_once=True), Halted("budget", at_work=0)])
def test_nobody_gets_notice_where_there_is_nothing_to_wait_for(study: Halted) -> None:
    assert study.pause().over()
    assert study.notices == 0


def test_a_study_that_is_to_end_at_once_after_all_waits_no_longer() -> None:
    study = Halted(halted="interrupted")
    pause = study.pause()
    assert not pause.over()
    study.at_once = True
    assert pause.over()
