"""Whether each loss of a study that tells devices or patients apart has several of them to train on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from data.settings import ConfigError
from model.domain_parts import DOMAIN_WEIGHTS
from model.training.recipe import Recipe
from sweep.config.search_space import POPULATION, SearchSpace
from sweep.config.study_config import StudyConfig


def check_trained_origins(config: StudyConfig, check: Callable[[Recipe], None]) -> None:
    """Have `check` look at a recipe for each loss, population and fold that a study may train with.

    `check` raises ConfigError for a recipe whose training cycles come from one device or patient. With `folds: all`
    every fold is looked at, as finalists will be trained on all of them. Where `check` of a recipe would raise, so does
    this.
    """
    for recipe in _recipes(config):
        check(recipe)
        if config.folds == "all":
            for fold in range(recipe.folds.folds):
                folds = recipe.folds.model_copy(update={"fold": fold})
                check(recipe.model_copy(update={"folds": folds}))


def _recipes(config: StudyConfig) -> Iterator[Recipe]:
    """Yield recipes, the fixed one first, among which each loss is beside each population that it may be trained on."""
    space = config.space
    yield config.any_recipe()
    points = [space.active(point) for point in config.enqueue]
    if config.sampler.name == "one_at_a_time":
        points += space.axis_points()
    yield from (space.recipe(point) for point in points if _makes_one(space, point))
    if config.crosses is not None or config.sampler.name == "one_at_a_time":
        # No combination is tried but these.
        return
    yield from space.recipes_over(POPULATION)
    for weight in DOMAIN_WEIGHTS:
        yield from space.recipes_over(weight)
        yield from space.recipes_over(weight, POPULATION)


def _makes_one(space: SearchSpace, point: Mapping[str, Any]) -> bool:
    """Whether a point makes a recipe; a search leaves out those that do not."""
    try:
        space.recipe(point)
    except ConfigError:
        return False
    return True
