"""`respsweep explain` and `respsweep bands`: where they write, and what they refuse before anything is trained."""

from pathlib import Path

import pytest

from sweep.evaluation.band_selection import changed_recipe, recipe_and_recordings
from tests.sweep.command_line import RECIPE, finished_study, respsweep, written
from tests.sweep.evaluation.test_explain import predictor_of


def test_a_cycle_is_explained_in_files_of_its_own(
    breaths: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sweep.evaluation.predict.predictor_named", lambda *_: predictor_of())
    audio = sorted(breaths.rglob("*.wav"))[0]
    assert respsweep(monkeypatch, "explain", "first", audio, "--cycle", 1, "--output", "shown") == 0
    names = [f"{audio.stem}-cycle-1.{form}" for form in ("csv", "svg")]
    assert sorted(path.name for path in Path("shown").iterdir()) == names
    printed = capfd.readouterr()
    assert printed.out.startswith(f"{audio.name}, ")
    assert "no diagnosis" in printed.err


def test_of_a_study_the_bands_of_the_best_configuration_are_ranked(breaths: Path) -> None:
    folder = finished_study()
    found = recipe_and_recordings("done", "studies", breaths)
    assert found.recipe == folder.config().space.recipe(folder.board().ranking()[0].values)
    assert found.recordings == breaths
    fewer = changed_recipe(found.recipe, folds=2, epochs=1)
    assert (fewer.folds.folds, fewer.epochs, found.recipe.folds.folds) == (2, 1, 5)


def test_a_ranking_that_cannot_be_made_or_written_is_refused_at_once(
    breaths: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    recipe = written("recipe.yaml", RECIPE)
    for options, complaint in (
        ((), "recipe.yaml: a recipe says nothing of recordings; give --data DIR"),
        (
            ("--data", breaths, "--output", "nowhere/ranking.json"),
            "--output: must lie in a folder that is there",
        ),
        (("--data", breaths, "--output", breaths), "--output: must be a file, got the folder"),
        (("--data", breaths, "--backward", "--method", "grad_cam"), "--backward attributes nothing"),
        (
            ("--data", breaths, "--method", "grad_cam"),
            "grad_cam is for cnn_tsa, got dass; use integrated_gradients",
        ),
    ):
        assert respsweep(monkeypatch, "bands", recipe, *options) == 1
        assert complaint in capfd.readouterr().err
    assert not Path("ranking.json").exists()
