"""Two studies on the same recordings, and two that are not."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sweep.evaluation.study_comparison import compare_studies
from sweep.folder.study_folder import StudyFolder
from sweep.report.compared_studies import PairedDifference, StudyComparison
from tests.sweep.evaluation.crossed_studies import TEMPERATURE, a_search, answered
from tests.sweep.family import a_study


@pytest.fixture
def second(searched: StudyFolder) -> StudyFolder:
    """Another search on the recordings of `searched`, with points of its own and a seed more."""
    points = [{TEMPERATURE: 0.1}, {TEMPERATURE: 0.4}]
    config = a_search(enqueue=points, seeds=[1, 2, 3, 4], folds="one", budget={"configurations": 2})
    folder = StudyFolder.at(searched.studies, "second")
    answered(folder, config)
    return folder


def test_winners_are_compared_on_the_same_patients_and_seeds(
    searched: StudyFolder, second: StudyFolder
) -> None:
    found = compare_studies(searched, second)
    assert found.faults == ()
    assert [winner.number for winner in found.winners if winner is not None] == [2, 0]
    assert ("seeds", "[1, 2, 3]", "[1, 2, 3, 4]") in found.settings
    difference = found.difference
    assert difference is not None
    assert (difference.metric, difference.seeds) == ("score", (1, 2, 3))
    means = []
    for folder, number in ((searched, 2), (second, 0)):
        scores = [folder.board().unit(number, seed).selected for seed in (1, 2, 3)]
        means.append(np.mean([told["score"] for told in scores if told is not None]))
    assert difference.mean == pytest.approx(means[0] - means[1])
    back = compare_studies(second, searched).difference
    assert back is not None
    assert back.mean == pytest.approx(-difference.mean)
    # The fold of these invented patients is too small.
    assert "too few patients or seeds for an interval" in " ".join(str(found).split())


def test_a_study_does_not_differ_from_its_copy(searched: StudyFolder) -> None:
    shutil.copytree(searched.path, searched.path.with_name("copy"))
    found = compare_studies(searched, StudyFolder.open(searched.studies, "copy"))
    assert found.difference is not None
    assert found.difference.mean == 0
    assert found.settings == ()
    assert "all settings are the same" in str(found)


def test_without_answers_or_recordings_there_is_no_difference_and_that_is_said(
    searched: StudyFolder, second: StudyFolder, tmp_path: Path
) -> None:
    gone = compare_studies(searched, second, tmp_path / "nowhere")
    assert gone.difference is None
    assert "nowhere" in gone.why_no_difference
    (second.path / "predictions" / "0000-seed2.npy").unlink()
    without = compare_studies(searched, second)
    assert without.difference is None
    assert without.why_no_difference.endswith("second kept no answers of all seeds of no. 0")
    assert without.faults == ()


def study(tmp_path: Path, name: str, **settings: Any) -> StudyFolder:
    return a_study(tmp_path, name, name * 16, **settings)


@pytest.mark.parametrize(
    ("settings", "provenance", "fault"),
    [
        ({}, {"data_hash": "e" * 64}, "other recordings: data_hash dddddddddddd in A, eeeeeeeeeeee in B"),
        ({}, {"fold_hash": "e" * 64}, "other folds: fold_hash ffffffffffff in A, eeeeeeeeeeee in B"),
        ({"task": "1-2"}, {}, "task: icbhi in A, 1-2 in B"),
        ({"protocol": "published"}, {}, "protocol: honest in A, published in B"),
    ],
)
def test_studies_that_were_scored_on_something_else_are_said_not_to_be_comparable(
    tmp_path: Path, settings: dict[str, Any], provenance: dict[str, str], fault: str
) -> None:
    one, other = study(tmp_path, "A"), study(tmp_path, "B", **settings)
    # Its scores would be computed in another way.
    other.journal.unlink()
    other.write_provenance({**other.provenance(), **provenance})
    found = compare_studies(one, other)
    assert fault.replace(" A", f" {one.place}").replace(" B", f" {other.place}") in found.faults
    assert found.difference is None
    assert str(found).startswith("NOT COMPARABLE: ")


@pytest.mark.parametrize(
    ("mean", "low", "high", "told"),
    [
        (0.012, -0.004, 0.03, "-0.4 to +3.0: not told apart"),
        (0.02, 0.01, 0.03, "+1.0 to +3.0: A is better on these patients, by which both were chosen"),
        (-0.02, -0.03, -0.01, "-3.0 to -1.0: B is better on these patients, by which both were chosen"),
    ],
)
def test_a_difference_is_told_with_its_interval(mean: float, low: float, high: float, told: str) -> None:
    difference = PairedDifference("score", mean, low, high, (1, 2, 3), 20, 400)
    line = list(StudyComparison(("a", "b"), (), (None, None), difference, "", ()).lines())[-1]
    assert line.startswith(
        f"A minus B: {100 * mean:+.1f} points score, on the same 20 patients, 400 cycles and seeds"
    )
    assert line.endswith(told)
