"""What is pasted into a paper."""

from typing import Any

import pytest

from sweep.report.page.facts import report_facts
from sweep.report.page.methods import latex_table
from tests.sweep.report.page.reported_studies import reported_study


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return report_facts(reported_study(tmp_path_factory.mktemp("studies")), 1.7e9 + 1e4)


def test_the_methods_name_sampler_pruner_race_folds_seeds_and_hashes(facts: dict[str, Any]) -> None:
    text = facts["methods"]
    for told in (
        "learning rate, β, stage",
        "24 configurations, 3 seeds each unless given up",
        "scored on fold 0 of 5",
        "the last epoch counts",
        "forecast (8 configurations)",
        "the race contenders (8)",
        "abababababab",
    ):
        assert told in text


def test_the_latex_table_has_the_best_rows_in_percent(facts: dict[str, Any]) -> None:
    lines = facts["latex"].splitlines()
    best = facts["configurations"][0]
    assert lines[0] == r"\begin{tabular}{rlllrrrr}"
    assert lines[4].startswith(f"{best['number']} & ")
    assert rf"{100 * best['means']['score']:.1f} $\pm$ {100 * best['sd']:.1f}" in lines[4]
    assert len(lines) == 4 + 8 + 3


def test_signs_that_latex_would_obey_are_escaped(facts: dict[str, Any]) -> None:
    hostile = {**facts["parameters"][0], "name": r"a_b & \input{x} 5%"}
    text = latex_table({**facts, "parameters": [hostile]})
    assert r"a\_b \& \textbackslash{}input\{x\} 5\%" in text
