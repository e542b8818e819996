"""Which finalists are trained on which folds, by a study that chooses nothing itself."""

import shutil
from typing import Any

import pytest

from data.settings import ConfigError, parse
from sweep.config.study_config import StudyConfig
from sweep.driver.export import ExportError, export
from sweep.driver.run_folds import is_trained, run_search
from sweep.evaluation.cross_fold_bundle import write_ranking
from sweep.evaluation.cross_fold_ranking import (
    CrossFoldError,
    crossing_folder,
    read_ranking,
)
from sweep.evaluation.cross_folds import check_crossing, crossing_study, finalists_of
from sweep.evaluation.finish import FinishError, finishing_study
from sweep.evaluation.validation_bundle import BundleExportError, export_bundle
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.events import StudyStarted
from tests.sweep.evaluation.crossed_studies import TEMPERATURE, a_search
from tests.sweep.histories import added, trained


def test_finalists_are_the_best_and_those_tied_with_it() -> None:
    events = [StudyStarted((1, 2)), *added(0, 1, 2, 3)]
    for number, score in enumerate((0.6, 0.61, 0.605, 0.3)):
        events += [*trained(number, 1, score), *trained(number, 2, score + 0.02)]
    board = Board(events=events)
    assert [one.number for one in finalists_of(board, 9)] == [1, 2, 0]
    assert [one.number for one in finalists_of(board, 2)] == [1, 2]
    one_seed = Board(events=[StudyStarted((1,)), *added(0, 1), *trained(0, 1, 0.5), *trained(1, 1, 0.9)])
    assert [one.number for one in finalists_of(one_seed, 1)] == [1]


def test_each_finalist_is_trained_on_each_fold_that_the_search_left_out(searched: StudyFolder) -> None:
    crossing = crossing_folder(searched)
    config, board = crossing.config(), crossing.board()
    finalists = {one.values[TEMPERATURE] for one in finalists_of(searched.board(), 4)}
    assert finalists == {0.05, 0.1, 0.2}
    assert {(one.values[TEMPERATURE], one.values["folds.fold"]) for one in board.configurations} == {
        (point, fold) for point in finalists for fold in (1, 2)
    }
    assert (config.seeds, config.pruner.name, config.racing.name) == ((1, 2, 3), "none", "none")
    assert config.crosses is not None
    assert config.crosses.study == "first"
    assert is_trained(crossing, crossing_study(searched))
    recipe = config.space.recipe(board.configurations[0].values)
    ours = searched.config().space.recipe(searched.board().configurations[0].values)
    assert recipe.folds.fold in (1, 2)
    assert recipe.model_copy(update={"folds": ours.folds}).digest() in {
        searched.config().space.recipe(one.values).digest() for one in searched.board().configurations
    }


def test_where_the_search_kept_no_answers_its_fold_is_trained_again(searched: StudyFolder) -> None:
    shutil.rmtree(searched.path / "predictions")
    shutil.rmtree(crossing_folder(searched).path)
    config = crossing_study(searched)
    assert [point["folds.fold"] for point in config.enqueue] == [0, 1, 2] * 3


def test_the_study_of_other_folds_chooses_nothing_and_is_not_taken_for_another(searched: StudyFolder) -> None:
    crossing = crossing_folder(searched)
    with pytest.raises(
        ExportError, match="ranks the finalists of the study first, and chooses nothing; export"
    ):
        export(crossing)
    with pytest.raises(
        FinishError, match="ranks the finalists of the study first, and chooses nothing; finish"
    ):
        finishing_study(crossing)
    with pytest.raises(CrossFoldError, match="chooses nothing, so that it has no finalists"):
        crossing_study(crossing)
    with pytest.raises(BundleExportError, match=r"copied by: respsweep export first-folds .*--bundle FILE"):
        export_bundle(crossing, crossing.path / "x.bundle")
    write_ranking(searched)
    searched.write_provenance({**searched.provenance(), "study_id": "another"})
    with pytest.warns(UserWarning, match=r"folds.bundle: of another study than"):
        assert read_ranking(searched) is None
    with pytest.raises(CrossFoldError, match="is there, and of another study; remove it, or rename it"):
        crossing_study(searched)


@pytest.mark.parametrize(
    ("spoilt", "complaint"),
    [
        ({"folds": "all"}, "folds: all is of a study that searches, and this one chooses nothing; write one"),
        ({"budget": {"configurations": 30}}, "crosses: such a study trains the points under `enqueue`"),
        ({"crosses": None}, "search.folds.fold: says how a configuration is scored"),
        ({"leak": True}, "leak: a study of other folds shows nothing that its search did not"),
    ],
)
def test_a_study_that_says_it_crosses_folds_cannot_search(
    searched: StudyFolder, spoilt: dict[str, Any], complaint: str
) -> None:
    content = crossing_folder(searched).config().model_dump(mode="json")
    with pytest.raises(ConfigError, match=complaint):
        parse(StudyConfig, {**content, **spoilt}, "study")


def test_a_search_that_holds_nobody_out_has_no_folds() -> None:
    content = a_search().model_dump(mode="json")
    content["recipe"]["folds"] = {"fold": None}
    with pytest.raises(ConfigError, match=r"recipe\.folds\.fold: null holds nobody out"):
        parse(StudyConfig, content, "study")


def test_the_other_folds_do_not_answer_the_test_part_of_a_search_that_does(searched: StudyFolder) -> None:
    searched.write_config(searched.config().model_copy(update={"leak": True}))
    assert searched.config().leak
    assert not crossing_study(searched).leak


def test_a_study_that_has_the_name_of_the_finalists_is_refused_before_anything_runs(
    searched: StudyFolder,
) -> None:
    check_crossing(searched)
    other = StudyFolder.at(searched.studies, "other")
    check_crossing(other)
    crossing_folder(searched).path.rename(crossing_folder(other).path)
    with pytest.raises(CrossFoldError, match=r"other-folds: is there, and of another study"):
        check_crossing(other)
    with pytest.raises(CrossFoldError, match="other-folds: is there"):
        run_search(searched.config().model_copy(update={"folds": "all"}), other)
    assert not other.exists
