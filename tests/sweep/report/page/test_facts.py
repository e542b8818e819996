"""What a report shows of a study whose answer is known."""

import json
from pathlib import Path
from typing import Any

import pytest

from evidence.ledger import Kind, appended
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
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
    assert facts["importance"] == {"configurations": 0, "best": 0, "shares": []}


def with_ledger(folder: StudyFolder, *entries: tuple[Kind, dict[str, Any]]) -> StudyFolder:
    content = b""
    for kind, told in entries:
        content = appended(content, kind, "2026-11-29T08:00:00+00:00", told)
    (folder.path / "ledger.jsonl").write_bytes(content)
    return folder


NUMBERS = {"test": {"cycles": 10, "patients": 6, "mean": {"score": 0.7}, "patient_interval": [0.6, 0.8]}}


def test_a_study_that_reads_the_test_part_at_every_epoch_says_so(tmp_path: Path) -> None:
    for protocol in ("honest", "published"):
        folder = reported_study(tmp_path / protocol, protocol=protocol, recipe={"epochs": 4})
        reads = {"reading": 1, "reads": "published" if protocol == "published" else "leak", "study": "told"}
        facts = report_facts(with_ledger(folder, ("sealed", reads)), NOW)
        assert facts["findings"]["readings"].startswith(
            "This study reads the official test part at every epoch"
        )
        assert "has not been read" not in facts["findings"]["readings"]
    untold = reported_study(tmp_path / "untold", protocol="published", recipe={"epochs": 4})
    assert "has not been read" not in report_facts(untold, NOW)["findings"]["readings"]


@pytest.mark.parametrize("finishes", ["1" * 32, "2" * 32])
def test_readings_are_those_of_the_study_that_finishes_this_one(tmp_path: Path, finishes: str) -> None:
    folder = reported_study(tmp_path)
    search = {path: {"type": "categorical", "choices": [0.5]} for path in ("patch_mix.beta",)}
    finishing = StudyFolder.at(tmp_path, "told-finish").create(
        StudyConfig.model_validate(
            {
                "search": search,
                "enqueue": [{"patch_mix.beta": 0.5}],
                "recipe": {"folds": {"fold": None}},
                "budget": {"configurations": 1},
                "finishes": {"study": "told", "study_id": finishes, "configuration": 0},
            }
        )
    )
    with_ledger(finishing, ("sealed", {"reading": 1}), ("read", {"reading": 1, "numbers": NUMBERS}))
    facts = report_facts(folder, NOW)
    if finishes == "2" * 32:
        assert facts["readings"] == []
        return
    (reading,) = facts["readings"]
    assert reading["parts"] == {"test": {"cycles": 10, "patients": 6, "score": 0.7, "interval": [0.6, 0.8]}}
    assert "test 70.0 % (95 % over patients and seeds: 60.0 to 80.0)" in facts["findings"]["readings"]


def test_numbers_of_a_ledger_that_are_none_are_told(tmp_path: Path) -> None:
    made_up = {"reading": 1, "numbers": {"test": {"mean": 0.9}}}
    folder = with_ledger(reported_study(tmp_path), ("sealed", {"reading": 1}), ("read", made_up))
    (told,) = report_facts(folder, NOW)["readings"]
    assert "numbers that cannot be shown" in told["fault"]


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
