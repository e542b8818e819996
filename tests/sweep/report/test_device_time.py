from collections.abc import Mapping
from typing import Any

from data.settings import ConfigError
from sweep.report.device_time import DeviceTime, Total, device_times, epochs_saved, epochs_trained, totals
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    UnitFailed,
    UnitFinished,
    UnitLost,
    UnitPruned,
    UnitStarted,
)
from sweep.study.units import State
from tests.sweep.histories import added, epoch, reported, trained

BOARD = Board(
    [1, 2, 3, 4, 5],
    [
        ConfigurationAdded(0, {}),
        # Lost at 9, four seconds after its first epoch; it needs eight more.
        UnitStarted(0, 1, at=0.0),
        EpochReported(0, 1, epoch(1), at=5.0),
        UnitLost(0, 1, "gone", at=9.0),
        UnitStarted(0, 1, at=20.0),
        EpochReported(0, 1, epoch(2), at=28.0),
        UnitFinished(0, 1, 2, at=28.0),
        # Still runs.
        UnitStarted(0, 2, at=30.0),
        ConfigurationAdded(1, {}),
        UnitStarted(1, 1, at=30.0),
        EpochReported(1, 1, epoch(1), at=33.0),
        UnitPruned(1, 1, "low", at=33.0),
        ConfigurationAdded(2, {}),
        UnitStarted(2, 1, at=30.0),
        EpochReported(2, 1, epoch(1), at=33.0),
        UnitFailed(2, 1, "NaN", at=36.0),
        # Waits: what came after its report is lost.
        ConfigurationAdded(3, {}),
        UnitStarted(3, 1, at=30.0),
        EpochReported(3, 1, epoch(1), at=33.0),
        UnitLost(3, 1, "gone", at=34.0),
    ],
)


def test_time_after_the_last_report_of_a_broken_attempt_is_lost() -> None:
    assert device_times(BOARD, 40.0) == [
        DeviceTime("0000-seed1", State.FINISHED, 2, 2, 17.0, 4.0),
        DeviceTime("0000-seed2", State.RUNNING, 0, 1, 10.0, 0.0),
        DeviceTime("0001-seed1", State.PRUNED, 1, 1, 3.0, 0.0),
        DeviceTime("0002-seed1", State.FAILED, 1, 1, 6.0, 6.0),
        DeviceTime("0003-seed1", State.WAITING, 1, 1, 4.0, 1.0),
    ]


def test_epochs_that_no_checkpoint_held_are_lost_once() -> None:
    board = Board(
        [1],
        [
            ConfigurationAdded(0, {}),
            UnitStarted(0, 1, at=0.0),
            EpochReported(0, 1, epoch(1), at=5.0),
            EpochReported(0, 1, epoch(2), at=10.0),
            UnitLost(0, 1, "gone", at=12.0),
            # Set up, both epochs once more, and the third; it dies again, and goes on from a checkpoint.
            UnitStarted(0, 1, at=20.0),
            EpochReported(0, 1, epoch(3, repeated=10.0), at=36.0),
            UnitLost(0, 1, "gone", at=37.0),
            UnitStarted(0, 1, at=40.0),
            EpochReported(0, 1, epoch(4), at=46.0),
            UnitFinished(0, 1, 4, at=46.0),
        ],
    )
    assert device_times(board, 50.0) == [
        DeviceTime("0000-seed1", State.FINISHED, 4, 3, 35.0, 2.0 + 10.0 + 1.0)
    ]


def test_what_a_unit_saved_in_the_middle_of_an_epoch_is_not_lost() -> None:
    board = Board(
        [1],
        [
            ConfigurationAdded(0, {}),
            UnitStarted(0, 1, at=0.0),
            EpochReported(0, 1, epoch(1), at=10.0),
            # Seven seconds of the next epoch, and two to save them.
            UnitLost(0, 1, "paused", counts=False, at=19.0),
            UnitStarted(0, 1, at=20.0),
            EpochReported(0, 1, epoch(2, carried=7.0), at=24.0),
            UnitFinished(0, 1, 2, at=24.0),
        ],
    )
    assert device_times(board, 50.0) == [DeviceTime("0000-seed1", State.FINISHED, 2, 2, 23.0, 2.0)]


def test_accounts_are_summed_by_how_units_stand() -> None:
    sums = totals(device_times(BOARD, 40.0))
    assert sums[State.FINISHED] == Total(1, 13.0, 4.0)
    assert sums[State.FAILED] == Total(1, 0.0, 6.0)
    held = sum(total.kept_s + total.lost_s for total in sums.values())
    assert held == 40.0


def test_race_and_pruner_saved_the_epochs_of_seeds_that_were_not_trained() -> None:
    pruned = [*added(1), *reported(1, 1, 0.2), UnitPruned(1, 1, "low")]
    dropped = [*added(2), *trained(2, 1, 0.3, 0.4), ConfigurationDropped(2, "behind")]
    board = Board([1, 2], [*added(0), *trained(0, 1, 0.5, 0.6), *pruned, *dropped])
    assert epochs_trained(board, lambda values: 2) == (5, None)
    assert epochs_saved(5, None) == "epochs: 5 trained"
    for event in trained(0, 2, 0.5, 0.6):
        board.apply(event)
    assert epochs_trained(board, lambda values: 2) == (7, 12)

    def of_no_recipe(values: Mapping[str, Any]) -> int:
        raise ConfigError("recipe: epochs: must be a whole number")

    assert epochs_trained(board, of_no_recipe) == (7, None)
    told = "epochs: 7 trained; with every seed of each configuration 12: race and pruner saved 42 %"
    assert epochs_saved(7, 12) == told
