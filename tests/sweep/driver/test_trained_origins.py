"""Which recipes of a study are looked at for losses that tell devices or patients apart."""

from typing import Any

import pytest

from data.settings import ConfigError
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.driver.trained_origins import check_trained_origins
from tests.studies import TINY_RECIPE

WEIGHT, POPULATION = "device_contrast.weight", "population"
CHOICES = {"type": "categorical", "choices": [0.0, 1.0]}
POPULATIONS = {"type": "categorical", "choices": ["all", "child"]}


def looked_at(recipe: dict[str, Any], **other: Any) -> set[tuple[float, float, str, int | None]]:
    """Weights of the contrast and of cohesion, population and fold of each recipe that is looked at."""
    content = {"recipe": {**TINY_RECIPE, "patch_mix": {"axes": []}, **recipe}, **other}
    found = set()

    def look(one: Recipe) -> None:
        weights = one.device_contrast.weight, one.patient_alignment.cohesion_weight
        found.add((*weights, str(one.population), one.folds.fold))

    check_trained_origins(StudyConfig.model_validate(content), look)
    return found


def test_every_searched_loss_is_looked_at_with_every_searched_population() -> None:
    search = {WEIGHT: CHOICES, POPULATION: POPULATIONS}
    scored = {"folds": {"population": "child"}}
    assert looked_at(scored, search=search, enqueue=[{WEIGHT: 0.0, POPULATION: "all"}]) == {
        (weight, 0.0, population, 0) for weight in (0.0, 1.0) for population in ("all", "child")
    }
    fixed = {**scored, "patient_alignment": {"cohesion_weight": 2.0}}
    assert looked_at(fixed, search={POPULATION: POPULATIONS}, enqueue=[{POPULATION: "all"}]) == {
        (0.0, 2.0, "all", 0),
        (0.0, 2.0, "child", 0),
    }


def test_what_conditions_exclude_is_not_looked_at() -> None:
    search = {WEIGHT: {**CHOICES, "when": {POPULATION: ["all"]}}, POPULATION: POPULATIONS}
    enqueue = [{WEIGHT: 0.0, POPULATION: "all"}]
    found = looked_at({"folds": {"population": "child"}}, search=search, enqueue=enqueue)
    assert found == {(0.0, 0.0, "all", 0), (1.0, 0.0, "all", 0), (0.0, 0.0, "child", 0)}


def test_one_field_at_a_time_comes_to_no_combination() -> None:
    search = {WEIGHT: CHOICES, POPULATION: POPULATIONS}
    found = looked_at({"folds": {"population": "child"}}, search=search, sampler={"name": "one_at_a_time"})
    assert found == {(0.0, 0.0, "all", 0), (1.0, 0.0, "all", 0), (0.0, 0.0, "child", 0)}


def test_a_study_of_all_folds_has_each_of_them_looked_at() -> None:
    found = looked_at({"folds": {"folds": 3}}, search={WEIGHT: CHOICES}, folds="all")
    assert found == {(weight, 0.0, "all", fold) for weight in (0.0, 1.0) for fold in range(3)}


def test_what_is_refused_of_one_is_refused_of_the_study() -> None:
    def refuse(recipe: Recipe) -> None:
        if recipe.device_contrast.weight and recipe.folds.fold == 2:
            raise ConfigError("fold 2 has one device")

    content = {"recipe": {**TINY_RECIPE, "folds": {"folds": 3}}, "search": {WEIGHT: CHOICES}}
    check_trained_origins(StudyConfig.model_validate(content), refuse)
    with pytest.raises(ConfigError, match="fold 2 has one device"):
        check_trained_origins(StudyConfig.model_validate({**content, "folds": "all"}), refuse)
