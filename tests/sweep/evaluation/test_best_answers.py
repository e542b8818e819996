"""What the best configuration answered, where the answers are known: by groups, by patients, and what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from data.dataset import TRAINING_PART
from data.errors import DataError
from evidence.predictions import answers_of
from evidence.reading import patient_interval
from evidence.scores import confusion_matrix, score
from sweep.driver.report import answers_told, report
from sweep.evaluation.best_answers import answers_of_best, told_answers
from sweep.evaluation.validation_bundle import BundleExportError
from sweep.folder.study_folder import StudyFolder
from sweep.study.units import unit_id
from tests.sweep.report.page.reported_studies import reported_study


def test_groups_and_patients_are_those_of_the_best_configurations_answers(searched: StudyFolder) -> None:
    found = answers_of_best(searched)
    told = told_answers(found)
    board, cycles = searched.board(), found.bundle.cycles
    best = board.best()
    assert best is not None
    assert (told["number"], told["seeds"]) == (best.number, 3)
    summary = best.summary()
    assert summary is not None
    assert told["score"] == pytest.approx(summary.mean)
    assert told["interval"] == patient_interval(cycles.labels, cycles.patients, found.answers, 4, "average")
    for by in ("device", "site", "sex"):
        groups = [one for one in told["groups"] if one["by"] == by]
        assert sum(one["cycles"] for one in groups) == told["cycles"] == len(cycles)
        for one in groups:
            inside = np.array(cycles.groups[by]) == one["value"]
            scores = [
                score(confusion_matrix(cycles.labels[inside], answer[inside], 4), "average")
                for answer in found.answers
            ]
            known = [each for each in scores if each is not None]
            assert one["score"] == (pytest.approx(np.mean(known)) if known else None)
    worst = told["worst"]
    for one in worst:
        own = cycles.patients == one["patient"]
        right = [(answer[own] == cycles.labels[own]).mean() for answer in found.answers]
        assert (one["cycles"], one["right"]) == (own.sum(), pytest.approx(np.mean(right)))
        # The units of this study call a label the one after it, when they are wrong.
        assert one["mixed_up"].split(":")[0] in {
            "normal called crackle",
            "crackle called wheeze",
            "wheeze called both",
            "both called normal",
        }
    assert {recording.name for recording in found.recordings.part(TRAINING_PART)} >= set(cycles.recordings)
    assert len(answers_of(next(iter(found.bundle.predictions.values())))) == len(cycles)


def test_a_report_has_them_and_without_predictions_says_that_they_are_left_out(searched: StudyFolder) -> None:
    place = report(searched)
    text = (searched.path / "report.html").read_text()
    assert place == str(searched.path / "report.html")
    assert "validation cycles of" in text
    assert "called crackle: " in text
    for path in (searched.path / "predictions").iterdir():
        path.unlink()
    reason = f"of configuration {searched.board().ranking()[0].number} not all predictions were kept"
    assert answers_told(searched) == {"missing": reason}
    report(searched)
    assert f"those answered worst, are left out: {reason}." in (searched.path / "report.html").read_text()


def test_without_the_recordings_the_reason_is_told_and_given_ones_that_are_others_are_refused(
    searched: StudyFolder, tmp_path: Path
) -> None:
    published = reported_study(tmp_path, protocol="published", recipe={"epochs": 4})
    assert answers_told(published) == {"missing": "nobody was held out in this study"}
    elsewhere = searched.config().model_copy(update={"data": str(searched.path / "nowhere")})
    searched.write_config(elsewhere)
    assert "nowhere" in answers_told(searched)["missing"]
    searched.write_config(elsewhere.model_copy(update={"data": None}))
    assert "says nothing of its recordings" in answers_told(searched)["missing"]
    with pytest.raises(DataError, match="nowhere"):
        answers_told(searched, searched.path / "nowhere")


def test_predictions_of_other_cycles_are_not_taken_for_these(searched: StudyFolder) -> None:
    number = searched.board().ranking()[0].number
    path = searched.path / "predictions" / f"{unit_id(number, 1)}.npy"
    np.save(path, np.load(path)[:-1])
    with pytest.raises(BundleExportError, match=f"configuration {number}, seed 1: expected float16 of shape"):
        answers_of_best(searched)
