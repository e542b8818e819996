"""A study of networks for some patients has one for all of them beside it, scored on the same patients."""

from typing import Any

import pytest

from data.settings import ConfigError, parse
from sweep.config.study_config import StudyConfig

RATE = "optimiser.learning_rate"


def study(population: Any = None, **changes: Any) -> StudyConfig:
    """A study that scores children, searches a learning rate and, if given, the choices of `population`."""
    recipe = {"folds": {"population": "child"}, **changes.pop("recipe", {})}
    search: dict[str, Any] = {RATE: {"type": "float", "low": 1e-4, "high": 1e-2}}
    if population is not None:
        search["population"] = {"type": "categorical", "choices": population}
    return parse(StudyConfig, {"recipe": recipe, "search": search, **changes}, "study")


UNIFIED = {"population": "all", RATE: 1e-3}


def test_both_networks_are_searched_on_the_same_patients() -> None:
    config = study(["all", "child"], enqueue=[UNIFIED])
    assert config.scored_population == "child"
    assert config.space.populations() == ["all", "child"]


def test_specialists_alone_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"recipe.population: child alone would be trained.*choices: \[all, child\]"
    ):
        study(recipe={"folds": {"population": "child"}, "population": "child"})
    with pytest.raises(ConfigError, match=r"search.population: child and \[0, 18\] alone would be trained"):
        study(["child", [0, 18]], enqueue=[{**UNIFIED, "population": "child"}])


def test_the_network_for_all_must_be_tried_for_certain_and_a_point_is_shown_that_will_do() -> None:
    with pytest.raises(ConfigError) as refused:
        study(["child", "all"], enqueue=[{**UNIFIED, "population": "child"}])
    shown = f"e.g. enqueue: [{{{RATE}: 0.0001, population: all}}]"
    assert shown in str(refused.value)
    study(["child", "all"], enqueue=[{RATE: 0.0001, "population": "all"}])


def test_samplers_that_go_through_every_point_try_it_by_themselves() -> None:
    stepped = {"search": {"population": {"type": "categorical", "choices": ["all", "child"]}}}
    study(sampler={"name": "grid"}, **stepped)
    study(sampler={"name": "one_at_a_time"}, **stepped)
    with pytest.raises(ConfigError, match="the sampler need not come to all"):
        study(sampler={"name": "grid"}, budget={"configurations": 1}, **stepped)


def test_a_specialist_is_not_scored_on_patients_whom_it_is_not_for() -> None:
    with pytest.raises(ConfigError, match="adult would be scored on patients whom it is not for"):
        study(["all", "adult"], enqueue=[UNIFIED])


def test_who_is_scored_is_the_same_for_all_configurations() -> None:
    with pytest.raises(ConfigError, match="says how a configuration is scored"):
        parse(
            StudyConfig,
            {"search": {"folds.population": {"type": "categorical", "choices": ["all", "child"]}}},
            "study",
        )


def test_a_network_for_all_may_be_scored_on_some_and_needs_nothing_beside_it() -> None:
    assert study().space.populations() == ["all"]


def test_the_whole_test_part_is_not_answered_where_some_patients_are_scored() -> None:
    with pytest.raises(ConfigError, match="leak: answers the whole test part"):
        study(leak=True)
