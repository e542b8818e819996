"""A study's predictions and what its journal says of them agree, and an edited journal is found by them."""

import json
from pathlib import Path

import pytest

from evidence.bundle import read_bundle
from evidence.verify import differences
from sweep.evaluation.validation_bundle import BundleExportError, export_bundle
from sweep.folder.study_folder import StudyFolder


def test_all_that_the_journal_says_of_finished_units_follows_from_their_predictions(
    first: StudyFolder, tmp_path: Path
) -> None:
    assert export_bundle(first, tmp_path / "first.bundle") == 4
    bundle, _ = read_bundle(tmp_path / "first.bundle")
    assert differences(bundle) == []
    board = first.board()
    assert bundle.claims["ranking"] == [configuration.number for configuration in board.ranking()]
    best = board.best()
    assert best is not None
    summary = best.summary()
    assert summary is not None
    assert bundle.claims["configurations"][str(best.number)]["score"]["mean"] == summary.mean


def test_a_score_that_was_edited_in_the_journal_is_found(first: StudyFolder, tmp_path: Path) -> None:
    lines = first.journal.read_text().splitlines()
    for number, line in enumerate(lines):
        event = json.loads(line)
        if event.get("event") == "EpochReported":
            # A score that its rates make, so that the journal is read.
            event["report"]["sensitivity"] = event["report"]["score"] = event["report"]["specificity"]
            lines[number] = json.dumps(event)
            break
    first.journal.write_text("\n".join(lines) + "\n")
    export_bundle(first, tmp_path / "first.bundle")
    found = differences(read_bundle(tmp_path / "first.bundle")[0])
    assert "units.0.1.sensitivity" in [where for where, *_ in found]


def test_a_study_without_predictions_or_without_validation_has_no_bundle(
    first: StudyFolder, finished: StudyFolder, tmp_path: Path
) -> None:
    for path in (first.path / "predictions").iterdir():
        path.unlink()
    with pytest.raises(BundleExportError, match="no predictions of finished units"):
        export_bundle(first, tmp_path / "first.bundle")
    with pytest.raises(BundleExportError, match="nobody was held out"):
        export_bundle(finished, tmp_path / "finished.bundle")


def test_a_bundle_names_and_ranks_by_the_objective(first: StudyFolder, tmp_path: Path) -> None:
    first.write_config(first.config().model_copy(update={"objective": "harmonic"}))
    lines = first.journal.read_text().replace('"objective": "score"', '"objective": "harmonic"')
    first.journal.write_text(lines)
    export_bundle(first, tmp_path / "first.bundle")
    bundle, _ = read_bundle(tmp_path / "first.bundle")
    assert bundle.about["objective"] == "harmonic"
    assert "harmonic_score" in bundle.claims["units"]["0"]["1"]
    assert bundle.claims["ranking"] == [one.number for one in first.board().ranking()]
    assert differences(bundle) == []
