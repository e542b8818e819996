"""How long epochs took, as a board counts it from reports."""

from sweep.study.board import Board
from sweep.study.events import EpochReported, StudyStarted, UnitFinished, UnitLost, UnitStarted
from tests.sweep.histories import added, epoch

STARTED = [StudyStarted((1, 2)), *added(0), UnitStarted(0, 1)]


def test_epochs_and_what_follows_the_last_are_timed() -> None:
    reports = [EpochReported(0, 1, epoch(1), at=70.0), EpochReported(0, 1, epoch(2), at=130.0)]
    board = Board(events=[*STARTED, *reports, UnitFinished(0, 1, 2, at=135.0)])
    assert board.epoch_times.epochs.tolist() == [2]
    assert board.epoch_times.seconds.tolist() == [135.0]


def test_what_was_lost_and_told_again_is_not_timed() -> None:
    events = [
        EpochReported(0, 1, epoch(1), at=60.0),
        UnitLost(0, 1, "killed", at=100.0),
        UnitStarted(0, 1, at=500.0),
        EpochReported(0, 1, epoch(1), at=510.0),
        EpochReported(0, 1, epoch(2), at=565.0),
    ]
    board = Board(events=[*STARTED, *events])
    assert board.epoch_times.epochs.tolist() == [2]
    assert board.epoch_times.seconds.tolist() == [60.0 + 65.0]


def test_epochs_that_were_trained_again_are_not_timed_twice() -> None:
    events = [
        EpochReported(0, 1, epoch(1), at=60.0),
        EpochReported(0, 1, epoch(2), at=120.0),
        UnitLost(0, 1, "killed", at=130.0),
        UnitStarted(0, 1, at=500.0),
        # Ten seconds of set-up, two epochs once more, and the third.
        EpochReported(0, 1, epoch(3, repeated=120.0), at=690.0),
    ]
    board = Board(events=[*STARTED, *events])
    assert board.epoch_times.epochs.tolist() == [3]
    assert board.epoch_times.seconds.tolist() == [120.0 + 70.0]
    assert board.epoch_times.longest == 70.0


def test_an_epoch_that_was_begun_before_a_pause_is_timed_whole() -> None:
    events = [
        EpochReported(0, 1, epoch(1), at=60.0),
        UnitLost(0, 1, "paused", counts=False, at=100.0),
        UnitStarted(0, 1, at=500.0),
        EpochReported(0, 1, epoch(2, carried=38.0), at=530.0),
    ]
    board = Board(events=[*STARTED, *events])
    assert board.epoch_times.seconds.tolist() == [60.0 + 68.0]


def test_the_longest_epoch_is_the_present_drivers() -> None:
    reports = [EpochReported(0, 1, epoch(1), at=70.0), EpochReported(0, 1, epoch(2), at=130.0)]
    board = Board(events=[*STARTED, *reports, EpochReported(0, 1, epoch(3), at=135.0)])
    assert board.epoch_times.longest == 70.0
    board.drivers[-1].ended = 140.0
    board.apply(StudyStarted((1, 2), at=150.0))
    assert board.epoch_times.longest == 0.0


def test_there_is_room_for_any_number_of_configurations() -> None:
    board = Board(events=[StudyStarted((1,)), *added(*range(40)), UnitStarted(39, 1)])
    board.apply(EpochReported(39, 1, epoch(1), at=5.0))
    assert board.epoch_times.seconds.tolist() == [0.0] * 39 + [5.0]
