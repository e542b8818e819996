"""Which files of units stay while a study goes on, seen on a board whose events are heard one by one."""

from pathlib import Path

import pytest

from sweep.driver.unit_removal import UnitRemoval
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    Event,
    StudyStarted,
    UnitFailed,
    UnitFinished,
    UnitPruned,
)
from sweep.study.units import unit_id
from tests.sweep.histories import reported


class Study:
    """A board and the files of its units: a worker writes, the removal hears."""

    def __init__(self, units: Path) -> None:
        self.board, self.units = Board(), units
        self.removal = UnitRemoval(self.board, units, None)
        self.hear(StudyStarted((1, 2)))

    def hear(self, event: Event) -> None:
        self.board.apply(event)
        self.removal(event)

    def add(self) -> None:
        self.hear(ConfigurationAdded(len(self.board.configurations), {}))

    def start(self, number: int, seed: int, score: float) -> None:
        for event in reported(number, seed, score):
            self.hear(event)
        folder = self.units / unit_id(number, seed)
        folder.mkdir(parents=True)
        for name in ("checkpoint.pt", "checkpoint.previous.pt"):
            (folder / name).touch()

    def finish(self, number: int, seed: int, score: float) -> None:
        self.start(number, seed, score)
        (self.units / unit_id(number, seed) / "weights.safetensors").touch()
        self.hear(UnitFinished(number, seed, 1))

    @property
    def files(self) -> set[str]:
        return {str(path.relative_to(self.units)) for path in self.units.rglob("*.*")}


def weights(*units: str) -> set[str]:
    return {f"{unit}/weights.safetensors" for unit in units}


@pytest.fixture
def study(tmp_path: Path) -> Study:
    study = Study(tmp_path)
    for _ in range(3):
        study.add()
    return study


def test_of_a_finished_unit_that_may_win_the_weights_alone_stay(study: Study) -> None:
    study.finish(0, 1, 0.6)
    assert study.files == weights("0000-seed1")


def test_of_complete_configurations_the_best_ones_weights_stay(study: Study) -> None:
    for number, score in enumerate((0.6, 0.8, 0.7)):
        study.finish(number, 1, score)
    assert study.files == weights("0000-seed1", "0001-seed1", "0002-seed1")
    study.finish(0, 2, 0.6)
    assert study.files == weights("0000-seed1", "0000-seed2", "0001-seed1", "0002-seed1")
    study.finish(1, 2, 0.8)
    assert study.files == weights("0001-seed1", "0001-seed2", "0002-seed1")
    study.finish(2, 2, 0.7)
    assert study.files == weights("0001-seed1", "0001-seed2")


def test_nothing_stays_of_what_was_given_up(study: Study) -> None:
    study.finish(0, 1, 0.6)
    study.hear(ConfigurationDropped(0, "behind"))
    study.start(1, 1, 0.5)
    study.hear(UnitPruned(1, 1, "behind"))
    assert study.files == set()
    assert not list(study.units.iterdir())


def test_of_a_configuration_that_may_be_forgiven_the_finished_seeds_weights_stay(study: Study) -> None:
    study.finish(2, 1, 0.7)
    study.start(2, 2, 0.5)
    study.hear(UnitFailed(2, 2, "broken"))
    assert study.files == weights("0002-seed1")


def test_what_an_earlier_driver_left_goes_and_the_winners_weights_stay(study: Study) -> None:
    study.finish(0, 1, 0.6)
    study.finish(0, 2, 0.6)
    (study.units / "0000-seed1" / "checkpoint.pt").touch()
    UnitRemoval(study.board, study.units, None).remove_leftovers()
    assert study.files == weights("0000-seed1", "0000-seed2")


def test_what_the_disk_does_not_let_go_of_disturbs_no_study(study: Study) -> None:
    # No file, as a stand-in for one that another machine has open on NFS.
    (study.units / "0000-seed1" / "checkpoint.pt.part").mkdir(parents=True)
    for event in reported(0, 1, 0.6):
        study.hear(event)
    (study.units / "0000-seed1" / "checkpoint.pt").touch()
    study.hear(UnitFinished(0, 1, 1))
    assert study.files == {"0000-seed1/checkpoint.pt.part"}


def test_of_finalists_on_folds_of_their_own_no_weights_stay(tmp_path: Path) -> None:
    study = Study(tmp_path)
    study.hear(ConfigurationAdded(0, {"folds.fold": 1}))
    study.finish(0, 1, 0.5)
    assert study.files == weights("0000-seed1")
    study.finish(0, 2, 0.6)
    assert study.files == set()
