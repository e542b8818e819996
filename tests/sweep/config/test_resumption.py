from pathlib import Path
from typing import Any

import pytest

from data.bands import BandRanking, written_ranking
from data.settings import ConfigError, parse, read_yaml
from sweep.config.resumption import changes, evidence_changes
from sweep.config.study_config import StudyConfig

CONTENT: dict[str, Any] = {
    "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
    "recipe": {"epochs": 5},
    "seeds": [1, 2],
}


def study(**different: Any) -> StudyConfig:
    return parse(StudyConfig, {**CONTENT, **different}, "study")


def test_the_same_study_has_no_changes() -> None:
    assert changes(study(), study(), "one") == []
    assert changes(study(), study().resolved(), "one") == []
    assert changes(study(), study(task="icbhi"), "one") == []


def test_budget_seeds_pruner_and_race_may_change_and_are_told() -> None:
    after = study(
        budget={"configurations": 40}, seeds=[1, 2, 3], pruner={"name": "none"}, racing={"name": "none"}
    )
    told = changes(study(), after, "one")
    assert "budget.configurations: 20 -> 40" in told
    assert "seeds: [1, 2] -> [1, 2, 3]" in told
    assert "pruner.name: forecast -> none" in told
    assert "racing.name: contenders -> none" in told


@pytest.mark.parametrize(
    ("different", "line"),
    [
        (
            {"search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 3.0}}},
            r"search.patch_mix.beta.high: 2.0 -> 3.0",
        ),
        (
            {
                "search": {
                    **CONTENT["search"],
                    "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.5},
                }
            },
            r"search.patch_mix.temperature: none -> "
            r"\{when: null, type: float, low: 0.1, high: 0.5, log: false, step: null\}",
        ),
        ({"recipe": {"epochs": 6}}, r"recipe.epochs: 5 -> 6"),
        ({"task": "1-2"}, r"task: icbhi -> 1-2"),
        ({"leak": True}, r"leak: False -> True"),
        (
            {"objective": ["sensitivity", "specificity"]},
            r"objective: score -> \[sensitivity, specificity\]",
        ),
        ({"objective": "any_abnormal"}, r"objective: score -> any_abnormal"),
    ],
)
def test_what_is_searched_trained_and_maximised_stays(different: dict[str, Any], line: str) -> None:
    with pytest.raises(ConfigError, match=rf"study one: .*begin a study of another name for:\n  {line}$"):
        changes(study(), study(**different), "one")


def test_of_a_ranking_of_bands_that_has_changed_one_line_is_told_and_of_one_that_was_moved_none(
    tmp_path: Path,
) -> None:
    low, high = tuple(range(64)), tuple(range(64, 128))
    scale = study().any_recipe().features.mel_scale

    def ranked(file: str, *groups: tuple[int, ...], keep: int = 64) -> StudyConfig:
        (tmp_path / file).write_text(written_ranking(BandRanking(groups=groups, scale=scale)))
        bands = {"ranking": str(tmp_path / file), "keep": keep}
        return study(recipe={"epochs": 5, "features": {"bands": bands}}).resolved()

    before = ranked("ranking.json", low, high)
    assert changes(before, ranked("moved.json", low, high), "one") == []
    line = r"recipe\.features\.bands: a ranking file with SHA-256 \w{12} -> \w{12}; .* respsweep run --resume one"
    with pytest.raises(ConfigError, match=rf"of another name for:\n  {line}$"):
        changes(before, ranked("ranking.json", high, low), "one")
    with pytest.raises(ConfigError, match=rf"for:\n  recipe.features.bands.keep: 64 -> 128\n  {line}$"):
        changes(before, ranked("ranking.json", high, low, keep=128), "one")
    with pytest.raises(ConfigError, match=r"for:\n  recipe.features.bands: \{ranking: .* -> \[0, 1, 2\]$"):
        changes(before, study(recipe={"epochs": 5, "features": {"bands": [0, 1, 2]}}), "one")


def test_of_many_settings_that_stay_the_first_are_told_in_a_line_each() -> None:
    others: dict[str, Any] = {"epochs": 6, "batch_size": 8, "selection": "best", "precision": "fp32"}
    with pytest.raises(ConfigError) as refusal:
        changes(
            study(), study(recipe={**others, "optimiser": {"learning_rate": 0.1, "momentum": 0.5}}), "one"
        )
    opening, *lines = str(refusal.value).splitlines()
    assert opening.endswith("begin a study of another name for:")
    assert lines[0] == "  recipe.optimiser.learning_rate: 5e-05 -> 0.1"
    assert len(lines) == 6
    assert lines[-1] == "  and 1 more"


@pytest.mark.parametrize("seeds", [[2, 1], [1], [3, 4]])
def test_seeds_may_only_be_added(seeds: list[int]) -> None:
    with pytest.raises(ConfigError, match=r"study one: seeds .* must begin with those it has, \[1, 2\]"):
        changes(study(), study(seeds=seeds), "one")


def test_other_recordings_are_refused_and_another_version_is_told() -> None:
    before = {"data_hash": "a", "fold_hash": "f", "weights_hash": None, "versions": {"torch": "2.11.0"}}
    assert evidence_changes(before, {"task": "icbhi", **before, "versions": {"torch": "2.11.1"}}, "one") == [
        "versions.torch: 2.11.0 -> 2.11.1"
    ]
    assert evidence_changes(before, {"task": "icbhi", **before}, "one") == []
    with pytest.raises(ConfigError, match=r"study one: .* rest on other recordings \(data_hash a, now b\)"):
        evidence_changes(before, {**before, "data_hash": "b"}, "one")


def test_weights_among_which_is_searched_stay_as_they_were() -> None:
    before = {"data_hash": "a", "searched_weights": {"one.pth": "1" * 64, "gone.pth": "9" * 64}}
    after = {"data_hash": "a", "searched_weights": {"one.pth": "1" * 64, "two.pth": "2" * 64}}
    assert evidence_changes({"task": "icbhi", **before}, {"task": "icbhi", **after}, "one") == [
        f"searched_weights.gone.pth: {'9' * 64} -> none",
        f"searched_weights.two.pth: none -> {'2' * 64}",
    ]
    changed = {**after, "searched_weights": {"one.pth": "3" * 64}}
    with pytest.raises(ConfigError, match=r"other weights \(one.pth had SHA-256 1{12}, now 3{12}\)"):
        evidence_changes(before, changed, "one")
    assert evidence_changes({"searched_weights": 5}, {"searched_weights": 5}, "one")


@pytest.mark.parametrize("known", [5, ["a"], {"a": 1}, None, True, 0.5])
def test_a_provenance_of_another_kind_is_one_of_other_recordings(known: object) -> None:
    with pytest.raises(ConfigError, match=r"study one: .* rest on other recordings \(data_hash .*, now aa\)"):
        evidence_changes({"data_hash": known}, {"data_hash": "aa"}, "one")


def test_a_line_break_in_a_provenance_begins_no_line() -> None:
    with pytest.raises(ConfigError) as refused:
        evidence_changes({"data_hash": "two\nlines"}, {"data_hash": "aa"}, "one")
    assert "\n" not in str(refused.value)
    assert evidence_changes({"commit": "a\nb"}, {"commit": "c"}, "one")[-1] == r"commit: a\nb -> c"


def test_a_known_hostile_provenance_is_one_of_other_recordings(cases: Path) -> None:
    before = read_yaml(cases / "hostile" / "26_provenance_number" / "provenance.yaml")
    with pytest.raises(ConfigError, match=r"rest on other recordings \(data_hash 5, now d+\)"):
        evidence_changes(before, {"data_hash": "d" * 64}, "one")
