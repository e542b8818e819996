"""What a report shows of a study whose answer is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from sweep.report.page.facts import report_facts
from tests.sweep.report.page.reported_studies import CONFUSION, SEEDS, reported_study

NOW = 1.7e9 + 1e4


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return report_facts(reported_study(tmp_path_factory.mktemp("studies")), NOW)


def test_facts_are_plain_values_and_hold_no_number_that_json_lacks(facts: dict[str, Any]) -> None:
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts


def test_configurations_are_the_boards_best_first(facts: dict[str, Any]) -> None:
    ranked = [one for one in facts["configurations"] if one["rank"] is not None]
    assert [one["rank"] for one in ranked] == list(range(1, 9))
    means = [one["means"]["score"] for one in ranked]
    assert means == sorted(means, reverse=True)
    assert all(len(one["seeds"]) == len(SEEDS) for one in ranked)
    best = ranked[0]
    assert best["interval"][0] < best["means"]["score"] < best["interval"][1]
    assert best["means"]["score"] == pytest.approx(sum(one["score"] for one in best["seeds"]) / 3, abs=1e-4)
    assert not best["tied"]


def test_a_pruned_configuration_has_the_score_of_its_last_epoch(facts: dict[str, Any]) -> None:
    pruned = [one for one in facts["configurations"] if one["fate"] == "pruned"]
    assert len(pruned) == 8
    curves = {
        curve["configuration"]: curve["scores"] for curve in facts["curves"] if curve["state"] == "pruned"
    }
    assert {one["number"]: one["so_far"] for one in pruned} == {
        number: kept[-1] for number, kept in curves.items()
    }


def test_the_race_says_who_was_given_up_why_and_how_far_behind(facts: dict[str, Any]) -> None:
    assert len(facts["race"]) == 16
    best = facts["configurations"][0]["so_far"]
    so_far = {one["number"]: one["so_far"] for one in facts["configurations"]}
    for one in facts["race"]:
        assert one["reason"].startswith(one["kind"])
        assert one["behind"] == pytest.approx(best - so_far[one["number"]], abs=2e-5)


def test_the_confusion_matrix_is_the_sum_over_the_seeds_of_the_best(facts: dict[str, Any]) -> None:
    assert facts["confusion"]["counts"] == [[3 * cell for cell in row] for row in CONFUSION]


def test_what_was_saved_counts_against_every_seed_of_all(facts: dict[str, Any]) -> None:
    spent = facts["time"]
    assert spent["epochs_of_all"] == 24 * 3 * 4
    assert spent["epochs"] == 8 * 3 * 4 + 8 * 4 + 8 * 2
    assert spent["fates"] == {"complete": 8, "dropped": 8, "pruned": 8}


def test_a_study_without_configurations_has_facts(tmp_path: Path) -> None:
    facts = report_facts(reported_study(tmp_path, 0), NOW)
    assert facts["configurations"] == []
    assert facts["importance"] == {"configurations": 0, "shares": []}


def test_a_ledger_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = reported_study(tmp_path)
    (folder.path / "ledger.jsonl").write_text("no ledger\n")
    (told,) = report_facts(folder, NOW)["readings"]
    assert "ledger.jsonl" in told["fault"]


def test_what_a_study_ranks_by_is_what_its_report_shows_as_the_score(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, objective="any_abnormal")
    facts = report_facts(folder, NOW)
    assert facts["study"]["metric"] == "any_abnormal_score"
    best = facts["configurations"][0]
    assert best["so_far"] == best["means"]["any_abnormal_score"] > best["means"]["score"]
    assert facts["answer"][0].startswith(f"No. {best['number']} is best: {100 * best['so_far']:.1f}")
    assert facts["study"]["score"] in facts["answer"][0]


def test_a_study_with_the_published_protocol_says_so_first_and_in_its_methods(tmp_path: Path) -> None:
    folder = reported_study(tmp_path, protocol="published", recipe={"epochs": 4})
    facts = report_facts(folder, NOW)
    assert "protocol: published" in facts["answer"][0]
    assert "held-out patients" not in " ".join(facts["answer"])
    assert "the best epoch on the test part counts" in facts["methods"]
