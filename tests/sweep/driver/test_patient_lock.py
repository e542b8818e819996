import threading
from pathlib import Path

import pytest

from sweep.driver.display import NoDisplay
from sweep.driver.patient_lock import patient_lock
from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.study_folder import StudyFolder


class Heard(NoDisplay):
    """Keeps what it is told, and does something as soon as it hears of waiting."""

    def __init__(self, then: threading.Event) -> None:
        self.lines: list[str] = []
        self._then = then

    def say(self, line: str) -> None:
        self.lines.append(line)
        self._then.set()


def test_the_lock_of_a_driver_that_is_about_to_be_forgotten_is_waited_for(tmp_path: Path) -> None:
    taken, told = threading.Event(), threading.Event()

    def hold() -> None:
        with StudyLock(tmp_path):
            taken.set()
            told.wait(60)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(60)
    display = Heard(told)
    with patient_lock(StudyFolder(tmp_path), display, 60.0):
        assert StudyLock(tmp_path).is_held()
    holder.join()
    (line,) = display.lines
    assert "in use by process" in line
    assert line.endswith("waiting for that, 60 s at most: a dead driver's lock may last")
    assert not StudyLock(tmp_path).is_held()


def test_a_driver_that_lives_keeps_its_study(tmp_path: Path) -> None:
    display = Heard(threading.Event())
    with (
        StudyLock(tmp_path),
        pytest.raises(LockedError, match="in use by process"),
        patient_lock(StudyFolder(tmp_path), display, 0.0),
    ):
        pytest.fail("two drivers")
    assert display.lines == []


def test_a_free_lock_is_taken_without_a_word(tmp_path: Path) -> None:
    display = Heard(threading.Event())
    with patient_lock(StudyFolder(tmp_path), display, 60.0):
        assert StudyLock(tmp_path).is_held()
    assert display.lines == []
