"""Whether the recordings have the patients whom a study's populations ask for, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator

from data.population import ages_hash, ages_of
from model.training.recipe import Recipe
from sweep.config.search_space import POPULATION
from sweep.config.study_config import StudyConfig
from sweep.worker.prepared_data import DataPreparation


def population_ages(config: StudyConfig, preparation: DataPreparation) -> str | None:
    """Check that every population of a study has cycles to train on and to score; returns the hash of all ages.

    None for a study that trains and scores patients of any age. With `folds: all` every fold is looked at, as its
    finalists will be scored there. Raises DataError for a population of which too little is there
    (`data.population_cycles`).
    """
    recipes = [*_recipes(config)]
    if all(recipe.population == "all" and recipe.folds.population == "all" for recipe in recipes):
        return None
    for recipe in recipes:
        preparation.prepare(recipe)
        if config.folds == "all":
            for fold in range(recipe.folds.folds):
                folds = recipe.folds.model_copy(update={"fold": fold})
                preparation.prepare(recipe.model_copy(update={"folds": folds}))
    return ages_hash(ages_of(preparation.recordings))


def _recipes(config: StudyConfig) -> Iterator[Recipe]:
    """Yield a recipe for each population that the study may train on."""
    yield config.any_recipe()
    if POPULATION in config.search:
        for value in config.space.parameters[POPULATION].probes():
            yield config.space.recipe(config.space.point_with(POPULATION, value))
