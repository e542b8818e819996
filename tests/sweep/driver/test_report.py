"""The report of a study knows what its finalists came to on all folds."""

from pathlib import Path

import numpy as np

from evidence.cross_folds import cross_fold_numbers
from sweep.driver.report import report
from sweep.evaluation.cross_fold_ranking import CrossFoldRanking, in_words
from tests.evidence.test_cross_folds import invented
from tests.sweep.report.page.reported_studies import reported_study


def test_the_first_on_all_folds_is_told_with_its_ties() -> None:
    numbers = cross_fold_numbers(invented(np.random.default_rng(1), [1.5, 1.45, -0.5]))
    ranking = CrossFoldRanking("first-folds/folds.bundle", "score", 0, numbers)
    first, second, _ = numbers["ranking"]
    score = numbers["configurations"][str(first)]["score"]["mean"]
    told = in_words(ranking)
    opening = f"On all folds of patients no. {first} is first of 3 finalists, score {100 * score:.1f} % (95 %"
    assert told.startswith(opening)
    assert told.endswith(f"; tied with it: {second}; export and finish choose it.")


def test_a_study_without_such_a_ranking_is_reported_by_itself(tmp_path: Path) -> None:
    place = report(reported_study(tmp_path))
    assert "On all folds" not in Path(place).read_text()
