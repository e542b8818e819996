from pathlib import Path
from typing import Any

import pytest

from data.fields import hint
from data.settings import Config, ConfigError, parse
from model.training.recipe import Recipe
from sweep.config.other_words import in_our_words
from sweep.config.study_config import StudyConfig, read_study
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.simulated_study import simulate_study

RATE = {"type": "float", "low": 1e-5, "high": 1e-2, "log": True}
BETA = {"patch_mix.beta": {"type": "float", "low": 0.1, "high": 0.5}}


def refusal(content: dict[str, Any]) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(StudyConfig, content, "study.yaml")
    return str(caught.value)


@pytest.mark.parametrize(("group", "name"), [("pruner", "none"), ("sampler", "random"), ("racing", "none")])
def test_a_sampler_pruner_or_race_may_be_named_alone(group: str, name: str) -> None:
    assert getattr(parse(StudyConfig, {"search": BETA, group: name}, "study.yaml"), group).name == name
    assert f"study.yaml: {group}.name: must be " in refusal({"search": BETA, group: "nones"})


@pytest.mark.parametrize("group", ["pruner", "racing"])
@pytest.mark.parametrize(("value", "read"), [(None, "null"), (False, "false")])
def test_null_in_place_of_a_pruner_or_race_is_asked_back(group: str, value: Any, read: str) -> None:
    complaint = f"study.yaml: {group}: read {read}; write none to have none, or leave the line out"
    assert refusal({"search": BETA, group: value}).startswith(complaint)


@pytest.mark.parametrize(
    ("settings", "written", "meant"),
    [
        (Recipe, "optimizer.lr", "optimiser.learning_rate"),
        (Recipe, "lr", "optimiser.learning_rate"),
        (Recipe, "features.fmax", "features.high_hz"),
        (StudyConfig, "budget.trials", "budget.configurations"),
        (StudyConfig, "budget.n_trials", "budget.configurations"),
        (StudyConfig, "budget.wall_time", "budget.wall_clock"),
        (StudyConfig, "budget.hours", "budget.wall_clock"),
    ],
)
def test_fields_in_common_words_are_told_in_ours(settings: type[Config], written: str, meant: str) -> None:
    assert hint(settings, written) == f"; did you mean {meant}?"


@pytest.mark.parametrize(
    ("seeds", "choice"),
    [(5, "[1, 2, 3, 4, 5] or [5]"), (2026, "[1, 2, ...] or [2026]"), (0, "[1, 2, ...] or [0]")],
)
def test_a_number_of_seeds_is_asked_back(seeds: int, choice: str) -> None:
    complaint = f"study.yaml: seeds: {seeds} may mean that many seeds or this one; write {choice}"
    assert refusal({"search": BETA, "seeds": seeds}) == complaint


def test_searched_fields_may_be_nested_as_in_a_recipe() -> None:
    search = {
        "optimiser": {"learning_rate": RATE},
        "smoothing.stage": {"type": "categorical", "choices": [0, 1]},
    }
    assert [*parse(StudyConfig, {"search": search}, "s").search] == [
        "optimiser.learning_rate",
        "smoothing.stage",
    ]
    complaint = refusal({"search": {"optimiser": {"learning_rte": RATE}}})
    assert complaint == (
        "study.yaml: search.optimiser.learning_rte: no such field; did you mean optimiser.learning_rate?"
    )


def test_a_field_that_is_searched_twice_is_refused() -> None:
    search = {"optimiser": {"learning_rate": RATE}, "optimiser.learning_rate": RATE}
    assert "search.optimiser.learning_rate: is there twice" in refusal({"search": search})


def test_an_empty_group_is_no_parameter() -> None:
    assert (
        refusal({"search": {"optimiser": {}}}) == "study.yaml: search.optimiser.type: required, but not given"
    )


@pytest.mark.parametrize(
    ("parameter", "advice"),
    [
        ({"min": 0.1, "max": 0.5}, "{type: float, low: 0.1, high: 0.5}"),
        ({"min": 1, "max": 8}, "{type: int, low: 1, high: 8}"),
        (
            {"distribution": "log_uniform_values", "min": 0.1, "max": 0.5},
            "{type: float, low: 0.1, high: 0.5, log: true}",
        ),
        (
            {"distribution": "log_uniform", "min": -9.2, "max": -4.6},
            "{type: float, low: -9.2, high: -4.6, log: true}; low and high are the values themselves, not logarithms",
        ),
        ({"distribution": "q_uniform", "min": 0, "max": 8, "q": 2}, "{type: int, low: 0, high: 8, step: 2}"),
        ({"values": [0.1, 0.2]}, "{type: categorical, choices: [0.1, 0.2]}"),
        ({"distribution": "normal", "mu": 0, "sigma": 1}, "{type: float, low: ..., high: ...} or {type: cat"),
        ([0.1, 0.2], "{type: categorical, choices: [0.1, 0.2]}"),
    ],
)
def test_words_of_other_tools_are_answered_with_ours(parameter: Any, advice: str) -> None:
    for search in ({"patch_mix.beta": parameter}, {"patch_mix": {"beta": parameter}}):
        complaint = refusal({"search": search})
        assert complaint.startswith("study.yaml: search.patch_mix.beta: ")
        assert f" is not how a parameter is written here; write {advice}" in complaint


def test_settings_of_other_tools_are_told_as_ours_a_line_each() -> None:
    lines = refusal({"parameters": {"patch_mix.beta": {"min": 0, "max": 1}}, "method": "bayes"}).splitlines()
    assert [line.partition(" (docs")[0] for line in lines] == [
        "study.yaml: parameters: no such field; what other tools call so is search here",
        "study.yaml: method: no such field; what other tools call so is sampler here",
    ]


def test_what_is_written_in_our_words_stays_as_it_is() -> None:
    content = {"search": BETA, "pruner": {"name": "median"}, "seeds": [1], "recipe": {"epochs": 3}}
    assert in_our_words(content) == content


@pytest.mark.parametrize(("sampler", "points"), [("grid", 66), ("one_at_a_time", 16)])
def test_a_grid_without_a_budget_runs_through(sampler: str, points: int) -> None:
    content = {
        "search": {
            "patch_mix.beta": {"type": "float", "low": 0.5, "high": 1.5, "step": 0.1},
            "batch_size": {"type": "categorical", "choices": [8, 16, 24, 32, 40, 48]},
        },
        "recipe": {"epochs": 2},
        "seeds": [1, 2],
        "racing": "none",
        "sampler": sampler,
    }
    config = parse(StudyConfig, content, "study.yaml")
    # As the study's folder keeps it.
    again = parse(StudyConfig, config.resolved().model_dump(mode="json"), "study.yaml")
    assert again.budget == config.budget
    assert (
        len(simulate_study(again, SyntheticCurves(WorldConfig(), again.space, 0), 3).board.configurations)
        == points
    )


def test_a_grid_with_a_budget_keeps_to_it_and_other_samplers_have_one() -> None:
    search = {"batch_size": {"type": "int", "low": 2, "high": 67}}
    for more, configurations in [
        ({"sampler": "grid", "budget": {"configurations": 7}}, 7),
        ({"sampler": "grid", "budget": {"units": 50}}, None),
        ({"sampler": "random"}, 20),
        ({}, 20),
    ]:
        config = parse(StudyConfig, {"search": search, **more}, "study.yaml")
        assert config.budget.configurations == configurations


@pytest.mark.parametrize(
    ("name", "outcome"),
    [("nested_search", "optimiser.learning_rate"), ("pruner_none", "batch_size"), ("seeds_5", None)],
)
def test_study_files_that_users_had_are_read_or_asked_back(
    cases: Path, name: str, outcome: str | None
) -> None:
    path = cases / "use" / "17_messages_of_the_study_file" / f"{name}.yaml"
    if outcome is not None:
        assert [*read_study(path).search] == [outcome]
    else:
        with pytest.raises(
            ConfigError, match=r"seeds: 5 may mean that many seeds or this one; write \[1, 2, 3"
        ):
            read_study(path)
