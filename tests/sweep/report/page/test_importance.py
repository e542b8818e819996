"""Which field matters, in a study where one does."""

from pathlib import Path

import pytest

from sweep.report.page.importance import field_importance, importance_finding
from tests.sweep.report.page.reported_studies import reported_study


def test_the_field_that_decides_the_scores_matters_most_with_an_interval(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, 60)
    found = field_importance(folder.board(), folder.config().space)
    assert (found["configurations"], found["best"]) == (60, 6)
    first, *others = found["shares"]
    assert first["path"] == "optimiser.learning_rate"
    assert sum(one["share"] for one in found["shares"]) == pytest.approx(1, abs=1e-3)
    for one in (first, *others):
        low, high = one["interval"]
        assert 0 <= low <= high <= 1
    assert first["interval"][0] > max(one["interval"][1] for one in others)


def test_of_few_configurations_nothing_is_said(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, 6)
    assert field_importance(folder.board(), folder.config().space) == {
        "configurations": 6,
        "best": 0,
        "shares": [],
    }


def test_the_finding_says_how_many_count_as_the_best_and_warns_of_few() -> None:
    shares = [
        {"path": "a", "share": 0.9, "interval": [0.2, 1.0]},
        {"path": "b", "share": 0.1, "interval": [0.0, 0.5]},
        {"path": "c", "share": 0.0, "interval": [0.0, 0.1]},
    ]
    facts = {
        "parameters": [{"path": path, "name": path.upper()} for path in "abc"],
        "importance": {"configurations": 8, "best": 1, "shares": shares},
    }
    assert importance_finding(facts) == (
        "A parts the best tenth, here 1 of 8, from the rest most: 90 % of what fields tell (PED-ANOVA; bars: 90 % over "
        "other configurations), but B may matter as much. All this rests on one configuration: one more good one may "
        "change it, and a field with a share of 0 may matter as well."
    )
    many = {**facts, "importance": {"configurations": 50, "best": 5, "shares": shares}}
    assert importance_finding(many).endswith(
        "5 of 50, from the rest most: 90 % of what fields tell (PED-ANOVA; bars: 90 % "
        "over other configurations), but B may matter as much."
    )
