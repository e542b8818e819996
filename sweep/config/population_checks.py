"""What a study of networks for patients of some ages must hold: a network for all beside them, on the same patients."""

from __future__ import annotations

import contextlib
import json
import math
from typing import TYPE_CHECKING, Any

import yaml

from data.population import Population, written
from data.settings import ConfigError
from sweep.config.search_space import POPULATION
from sweep.study.budget import BudgetConfig

if TYPE_CHECKING:
    from sweep.config.study_config import StudyConfig

ALL = "all"


def check_unified_model(config: StudyConfig) -> None:
    """Raise ConfigError for a search of networks for some patients that need not come to one for all patients.

    A network trained on children alone says nothing of whether children are better served so, unless a network for all
    stands beside it, scored on the same children. So `all` must be among the searched populations, and be tried for
    certain: by an enqueued point, or by a sampler that goes through every point.
    """
    # What is wrong with the space itself is said elsewhere.
    populations: list[Population] = []
    with contextlib.suppress(ConfigError):
        populations = config.space.populations()
    some: list[Population] = [population for population in populations if population != "all"]
    if not some or not config.searches:
        return
    shown = ", ".join(map(_flow, [ALL, *some]))
    if ALL not in populations:
        where = "search.population" if POPULATION in config.search else "recipe.population"
        raise ConfigError(
            f"{where}: {' and '.join(map(written, some))} alone would be trained, and nobody could say whether such a "
            "network serves these patients better than one for all of them; search both, on the same patients: "
            f"population: {{type: categorical, choices: [{shown}]}}"
        )
    enumerated = config.sampler.name == "grid" and BudgetConfig.is_unbounded(config.budget.model_dump())
    starts_with_all = config.sampler.name == "one_at_a_time" and config.recipe.get(POPULATION, ALL) == ALL
    fixed = config.recipe.get(POPULATION, ALL)
    if enumerated or starts_with_all or any(point.get(POPULATION, fixed) == ALL for point in config.enqueue):
        return
    point = config.space.point_with(POPULATION, ALL)
    raise ConfigError(
        "search.population: the sampler need not come to all, and a network for some patients stands beside one for "
        f"all of them; enqueue such a point, e.g. enqueue: [{_flow(point)}]"
    )


def check_scored_population(config: StudyConfig) -> None:
    """Raise ConfigError for `leak: true` in a study that scores some patients alone, and `unified` in one for some."""
    try:
        recipe = config.any_recipe()
    except ConfigError:
        # What is wrong with the recipe is said elsewhere.
        return
    if config.finishes is not None and config.finishes.unified and recipe.population != ALL:
        raise ConfigError(
            "finishes.unified: such a study trains on patients of any age, and recipe.population is "
            f"{written(recipe.population)}; make it with: respsweep finish NAME"
        )
    if config.leak and recipe.folds.population != ALL:
        raise ConfigError(
            "leak: answers the whole test part, and recipe.folds.population scores "
            f"{written(recipe.folds.population)} alone; leave one of them out"
        )


def _flow(value: Any) -> str:
    """Write a value as YAML does on one line."""
    text = yaml.safe_dump(
        json.loads(json.dumps(value)), default_flow_style=True, sort_keys=False, width=math.inf
    )
    return text.removesuffix("...\n").strip()
