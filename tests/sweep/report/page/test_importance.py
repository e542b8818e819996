"""Which field matters, in a study where one does."""

from pathlib import Path

import pytest

from sweep.report.page.importance import field_importance
from tests.sweep.report.page.reported_studies import reported_study


def test_the_field_that_decides_the_scores_matters_most_with_an_interval(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, 60)
    found = field_importance(folder.board(), folder.config().space)
    assert found["configurations"] == 60
    first, *others = found["shares"]
    assert first["path"] == "optimiser.learning_rate"
    assert sum(one["share"] for one in found["shares"]) == pytest.approx(1, abs=1e-3)
    for one in (first, *others):
        low, high = one["interval"]
        assert 0 <= low <= high <= 1
    assert first["interval"][0] > max(one["interval"][1] for one in others)


def test_of_few_configurations_nothing_is_said(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, 6)
    assert field_importance(folder.board(), folder.config().space) == {"configurations": 6, "shares": []}
