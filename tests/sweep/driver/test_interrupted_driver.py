"""How a driver lets go of a study that signals interrupt, on an executor that only reports scores."""

from __future__ import annotations

import os
import signal
import sys
import weakref
from collections.abc import Callable

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.driver import InterruptedStudyError
from sweep.folder.study_folder import StudyFolder
from sweep.study.units import State
from tests.studies import tiny_study
from tests.sweep.driver.driving import NoTracker, ScoresOnly, drive

pytestmark = pytest.mark.usefixtures("own_cache")
CONFIG = StudyConfig.model_validate(tiny_study(2, budget={"configurations": 2}))


def test_a_signal_halts_the_study_which_goes_on_where_it_was(folder: StudyFolder) -> None:
    signals = iter([True])
    interrupt = ScoresOnly(lambda: os.kill(os.getpid(), signal.SIGINT) if next(signals, False) else None)
    tracker = NoTracker()
    with pytest.raises(
        InterruptedStudyError,
        match=r"one: interrupted after 0 complete configurations; go on with: respsweep run --resume one",
    ) as stopped:
        drive(CONFIG, folder, interrupt, tracker=tracker, close_s=60.0, close_soon_s=5.0)
    assert not stopped.value.at_once
    assert tracker.waited == [5.0]
    assert folder.board().unit(0, 1).state is State.WAITING
    assert (folder.units / "0000-seed1").exists()
    again = ScoresOnly()
    drive(CONFIG, folder, again)
    assert again.units == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert folder.journal_warning() is None


def test_a_second_signal_waits_for_nothing(folder: StudyFolder) -> None:
    def twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    tracker = NoTracker()
    with pytest.raises(InterruptedStudyError) as stopped:
        drive(CONFIG, folder, ScoresOnly(twice), tracker=tracker)
    assert stopped.value.at_once
    assert tracker.waited == [0.0]


def forgetting() -> None:
    """Interrupt this process where Python prints what is raised, if nobody keeps it from that, and goes on."""

    class Gone: ...

    gone = Gone()
    watched = weakref.ref(gone, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del gone
    assert watched() is None


@pytest.mark.parametrize("again", [lambda: os.kill(os.getpid(), signal.SIGINT), forgetting])
def test_a_second_signal_waits_for_nothing_also_where_ray_is_stopped_after_the_first(
    folder: StudyFolder,
    again: Callable[[], None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    executor, tracker = ScoresOnly(lambda: os.kill(os.getpid(), signal.SIGINT)), NoTracker()
    executor.on_stop = again
    monkeypatch.setattr(sys, "unraisablehook", sys.__unraisablehook__)
    with pytest.raises(InterruptedStudyError, match=r"one: interrupted after 0 complete") as stopped:
        drive(CONFIG, folder, executor, tracker=tracker)
    assert stopped.value.at_once
    assert tracker.waited == [0.0]
    assert not (folder.path / "tune").exists()
    assert "KeyboardInterrupt" not in capsys.readouterr().err
    assert sys.unraisablehook is sys.__unraisablehook__


def test_a_signal_ends_the_wait_for_mlflow_of_a_study_that_is_over(folder: StudyFolder) -> None:
    tracker = NoTracker(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(
        InterruptedStudyError, match=r"one: interrupted after 2 complete configurations; go on with"
    ) as stopped:
        drive(CONFIG, folder, ScoresOnly(), tracker=tracker)
    assert stopped.value.at_once
    assert folder.board().stopped == "over"
    drive(CONFIG, folder, again := ScoresOnly())
    assert again.units == []


@pytest.mark.parametrize(("signals", "waited"), [(1, 60.0), (2, 0.0)])
def test_a_signal_to_a_study_whose_budget_is_spent_ends_the_command_too(
    folder: StudyFolder, signals: int, waited: float
) -> None:
    seconds, tracker = [1000.0], NoTracker()
    executor = ScoresOnly(lambda: seconds.append(9000.0))

    def interrupt() -> None:
        for _ in range(signals):
            os.kill(os.getpid(), signal.SIGINT)

    executor.on_stop = interrupt
    spent = StudyConfig.model_validate(tiny_study(2, budget={"wall_clock": 1.0}))
    with pytest.raises(
        InterruptedStudyError, match=r"one: interrupted after 0 complete .*; go on"
    ) as stopped:
        drive(
            *(spent, folder, executor),
            tracker=tracker,
            clock=lambda: seconds[-1],
            close_s=60.0,
            close_soon_s=5.0,
        )
    assert stopped.value.at_once == (signals == 2)
    assert stopped.value.opening == "paused"
    assert tracker.waited == [waited]
    assert str(folder.board().stopped).startswith("budget spent: wall_clock")
