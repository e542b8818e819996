"""Failed units that a person wants to be tried again."""

import json
from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.driver.retry import RetryError, retry
from sweep.folder.lock import LockedError
from sweep.folder.study_folder import StudyFolder
from sweep.report.status import study_status
from sweep.study.board import Board
from sweep.study.events import Event, StudyStarted, StudyStopped, UnitFailed, UnitForgiven, UnitStarted
from sweep.study.units import Fate, State
from tests.studies import tiny_study
from tests.sweep.histories import added, epoch, timed, trained, write_journal
from tests.sweep.study.worlds import World

EVENTS: list[Event] = timed(
    StudyStarted((1, 2), gpus=1.0),
    *[*added(0), *trained(0, 1, 0.5), UnitStarted(0, 2), UnitFailed(0, 2, "a CUDA error")],
    *[*added(1), UnitStarted(1, 1), UnitFailed(1, 1, "the loss is NaN")],
    *[*added(2), *trained(2, 1, 0.6), *trained(2, 2, 0.6)],
    StudyStopped("over"),
)


def folder_of(tmp_path: Path, events: list[Event]) -> StudyFolder:
    folder = StudyFolder.at(tmp_path, "one").create(StudyConfig.model_validate(tiny_study(2)))
    write_journal(folder.journal, events)
    return folder


def test_failed_units_wait_with_a_clean_slate_and_their_configurations_are_open(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, EVENTS)
    before = folder.board()
    assert retry(folder) == ["0000-seed2", "0001-seed1"]
    board = folder.board()
    assert list(board.waiting) == [(0, 2), (1, 1)]
    assert [board.fate(number) for number in range(3)] == [Fate.OPEN, Fate.OPEN, Fate.COMPLETE]
    assert board.scores.open.all()
    assert State.FAILED not in board.ended
    assert board.device_seconds[State.FAILED] == 0.0
    assert board.started == before.started
    assert board.gpu_seconds(0.0) == pytest.approx(before.gpu_seconds(0.0))


def test_one_configuration_may_be_chosen(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, EVENTS)
    assert retry(folder, 1) == ["0001-seed1"]
    assert folder.board().fate(0) is Fate.FAILED
    last = json.loads(folder.journal.read_text().splitlines()[-1])
    assert (last["event"], last["configuration"], last["seed"]) == ("UnitForgiven", 1, 1)
    assert folder.journal_warning() is None


def test_the_study_is_not_over_then(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, EVENTS)
    retry(folder)
    assert folder.board().stopped == "a failed unit is to be tried again"
    assert study_status(folder)


def test_the_next_driver_takes_up_what_failed(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, EVENTS)
    retry(folder)
    world = World(budget={"configurations": 3}, past=folder.events())
    assert [world.start(), world.start()] == [(0, 2), (1, 1)]
    world.coordinator.report(0, 2, epoch(1, 0.5))
    world.coordinator.finished(0, 2, 1)
    assert world.board.fate(0) is Fate.COMPLETE
    assert Board(events=world.heard).configurations == world.board.configurations


def test_a_unit_that_fails_again_may_be_tried_again() -> None:
    forgiven = UnitForgiven(1, 1, at=1.8e9)
    started = StudyStarted((1, 2), at=1.8e9)
    again = [forgiven, started, UnitStarted(1, 1), UnitFailed(1, 1, "again"), forgiven]
    board = Board(events=[*EVENTS, *again])
    assert list(board.waiting) == [(1, 1)]


@pytest.mark.parametrize(
    ("events", "configuration", "complaint"),
    [
        (EVENTS[:4], None, "no unit has failed, so there is nothing to try again"),
        (EVENTS, 2, "no unit of configuration 2 has failed; units have failed of: 0, 1"),
    ],
)
def test_where_nothing_failed_nothing_is_written(
    tmp_path: Path, events: list[Event], configuration: int | None, complaint: str
) -> None:
    folder = folder_of(tmp_path, events)
    before = folder.journal.read_bytes()
    with pytest.raises(RetryError, match=f"one: {complaint}"):
        retry(folder, configuration)
    assert folder.journal.read_bytes() == before


def test_a_study_that_runs_is_left_alone(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, EVENTS)
    with folder.lock(), pytest.raises(LockedError):
        retry(folder)


def test_only_what_failed_can_be_forgiven() -> None:
    with pytest.raises(ValueError, match=r"0000-seed1 is finished, so there is nothing to forgive"):
        Board(events=EVENTS).apply(UnitForgiven(0, 1))
