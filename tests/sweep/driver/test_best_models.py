"""MLflow is to have the best configuration's networks, when a study is over and as far as weights are there."""

import os
import signal
from pathlib import Path

import pytest

from data.settings import parse
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.driver.best_models import best_models
from sweep.driver.driver import InterruptedStudyError
from sweep.folder.study_folder import StudyFolder
from sweep.report.run_tables import run_tables
from sweep.study.board import Board
from tests.studies import tiny_study
from tests.sweep.driver.driving import NoTracker, ScoresOnly, drive
from tests.sweep.histories import added, trained

CONFIG = StudyConfig.model_validate(tiny_study(2, budget={"configurations": 2})).resolved()

pytestmark = pytest.mark.usefixtures("own_cache")


def leaving_weights(folder: StudyFolder) -> None:
    """Write what each unit so far leaves."""
    for unit in folder.units.glob("*"):
        (unit / "weights.safetensors").touch()


def test_when_a_study_is_over_the_best_units_are_named_and_those_of_losers_are_not(tmp_path: Path) -> None:
    folder, tracker = StudyFolder.at(tmp_path, "first"), NoTracker()
    drive(CONFIG, folder, ScoresOnly(lambda: leaving_weights(folder)), tracker=tracker)
    (models,) = tracker.models
    # The executor gives later configurations higher scores.
    assert models.units == ("0001-seed1", "0001-seed2")
    assert all((Path(models.place) / unit / models.file).is_file() for unit in models.units)
    recipe = parse(Recipe, dict(models.recipe), "recipe")
    best = folder.board().best()
    assert best is not None
    assert recipe == CONFIG.space.recipe(best.values)
    assert (models.task, models.about["study"], models.about["configuration"]) == ("icbhi", "first", "1")
    assert models.about["recipe_digest"] == recipe.digest()


def test_the_run_of_the_best_has_its_curves_beside_what_the_study_leaves(tmp_path: Path) -> None:
    folder, tracker = StudyFolder.at(tmp_path, "first"), NoTracker()
    drive(CONFIG, folder, ScoresOnly(), tracker=tracker, results=lambda: [folder.study_file])
    (files,) = tracker.files
    assert files.run == "configuration 1"
    assert files.paths == (str(folder.study_file.absolute()),)
    best = folder.board().best()
    assert best is not None
    assert files.texts == run_tables(best, CONFIG.scored_task.labels)
    assert len(files.texts["curves.csv"].splitlines()) == 1 + sum(len(u.curve) for u in best.units.values())


def test_a_study_that_was_halted_sends_none_yet(tmp_path: Path) -> None:
    folder, tracker = StudyFolder.at(tmp_path, "halted"), NoTracker()
    signals = iter([True])

    def interrupt() -> None:
        leaving_weights(folder)
        # The last unit: configuration 0 is complete.
        if (folder.units / "0001-seed2").exists() and next(signals, False):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(InterruptedStudyError):
        drive(CONFIG, folder, ScoresOnly(interrupt), tracker=tracker)
    assert folder.board().best() is not None
    assert tracker.models == []
    drive(CONFIG, folder, ScoresOnly(lambda: leaving_weights(folder)), tracker=tracker)
    assert [models.units for models in tracker.models] == [("0001-seed1", "0001-seed2")]


def test_without_weights_there_is_nothing_to_send(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG)
    assert best_models(folder, CONFIG, Board((1, 2))) is None
    events = [*added(0, **{"patch_mix.temperature": 0.2}), *trained(0, 1, 0.5), *trained(0, 2, 0.6)]
    board = Board((1, 2), events)
    assert best_models(folder, CONFIG, board) is None
    # Of a configuration that won only after seeds were added.
    (folder.units / "0000-seed2").mkdir(parents=True)
    leaving_weights(folder)
    models = best_models(folder, CONFIG, board)
    assert models is not None
    assert models.units == ("0000-seed2",)


def test_a_published_study_gives_no_networks_on(tmp_path: Path) -> None:
    published = tiny_study(1, budget={"configurations": 1}, seeds=[1], protocol="published")
    published["recipe"].pop("folds", None)
    config = StudyConfig.model_validate(published)
    folder = StudyFolder.at(tmp_path, "papers").create(config)
    (folder.units / "0000-seed1").mkdir(parents=True)
    leaving_weights(folder)
    board = Board((1,), [*added(0), *trained(0, 1, 0.5)])
    assert best_models(folder, config, board) is None
