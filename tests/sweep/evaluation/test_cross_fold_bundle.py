"""What finalists answered on all folds is put together, held against the journals, and ranked."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from evidence.bundle import read_bundle
from evidence.verify import differences
from sweep.evaluation.cross_fold_bundle import export_ranking, write_ranking
from sweep.evaluation.cross_fold_ranking import (
    FILE,
    CrossFoldError,
    best_configuration,
    crossing_folder,
    read_ranking,
)
from sweep.folder.study_folder import StudyFolder
from tests.sweep.evaluation.crossed_studies import TEMPERATURE


def test_the_ranking_is_on_every_patient_once_and_may_be_another_than_that_of_the_search(
    searched: StudyFolder,
) -> None:
    assert read_ranking(searched) is None
    best = searched.board().best()
    assert best is not None
    ranking = write_ranking(searched)
    assert searched.board().configurations[ranking.best].values[TEMPERATURE] == 0.1
    assert ranking.best != best.number
    assert ranking == read_ranking(searched)
    found = ranking.numbers["configurations"][str(ranking.best)]
    assert list(found["folds"]) == ["0", "1", "2"]
    assert found["worst_fold"] == "0"
    bundle, _ = read_bundle(crossing_folder(searched).path / FILE)
    assert sum(fold["cycles"] for fold in found["folds"].values()) == len(bundle.cycles)
    # Patients of the training part; those on both sides of the split never validate.
    assert sum(fold["patients"] for fold in found["folds"].values()) == len(np.unique(bundle.cycles.patients))
    low, high = found["patient_interval"]
    assert low < found["score"]["mean"] < high
    assert best_configuration(searched, searched.board())[0] is not best


def test_what_the_searched_fold_says_is_what_the_search_trained(searched: StudyFolder) -> None:
    ranking, board = write_ranking(searched), searched.board()
    for number in ranking.numbers["ranking"]:
        summary = board.configurations[number].summary()
        assert summary is not None
        assert ranking.numbers["configurations"][str(number)]["folds"]["0"]["mean"] == pytest.approx(
            summary.mean
        )


def test_the_bundle_of_all_folds_is_checked_as_others_are(searched: StudyFolder, tmp_path: Path) -> None:
    crossing = crossing_folder(searched)
    with pytest.raises(
        CrossFoldError, match="its folds have not all been trained, so there is no ranking yet"
    ):
        export_ranking(crossing, tmp_path / "a.bundle")
    write_ranking(searched)
    assert export_ranking(crossing, tmp_path / "a.bundle") == 3
    bundle, _ = read_bundle(tmp_path / "a.bundle")
    assert (bundle.kind, bundle.about["searched_fold"], bundle.about["folds"]) == ("folds", 0, 3)
    assert differences(bundle) == []


def test_predictions_that_are_not_those_of_the_journal_are_refused(searched: StudyFolder) -> None:
    crossing = crossing_folder(searched)
    one, other = (crossing.path / "predictions" / f"0000-seed{seed}.npy" for seed in (1, 2))
    shutil.copy(one, other)
    with pytest.raises(
        CrossFoldError, match=r"predictions of 0000-seed2: not those that its journal tells of"
    ):
        write_ranking(searched)


def test_a_finalist_that_lacks_a_fold_is_not_ranked(searched: StudyFolder) -> None:
    crossing = crossing_folder(searched)
    lacking = crossing.board().configurations[0]
    (crossing.path / "predictions" / "0000-seed3.npy").unlink()
    with pytest.warns(
        UserWarning, match=r"first-folds: not ranked, as some folds were not trained .*: configuration \d;"
    ):
        ranking = write_ranking(searched)
    assert len(ranking.numbers["ranking"]) == 2
    assert read_ranking(searched) == ranking
    names = {
        searched.board().configurations[number].values[TEMPERATURE] for number in ranking.numbers["ranking"]
    }
    assert lacking.values[TEMPERATURE] not in names
    shutil.rmtree(crossing.path / "predictions")
    with pytest.raises(CrossFoldError, match="no finalist has every seed on all folds"):
        write_ranking(searched)
