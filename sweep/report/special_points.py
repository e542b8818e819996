"""Configurations that a reader wants to find again: the published point, and the study file's own recipe."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from typing import Any

from data.settings import ConfigError
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.study.board import Board

PAPER = "paper's point"
"""All searched fields as Lung-SRAD's authors published them, which are the defaults of a recipe."""
BASELINE = "baseline"
"""All searched fields as the study file's own `recipe:` has them: what would be trained without a search."""
WHAT_THEY_ARE = {
    PAPER: "Paper's point: every searched field as Lung-SRAD was published",
    BASELINE: "Baseline: every searched field as in the study file's own recipe",
}


def special_points(config: StudyConfig, board: Board) -> dict[int, tuple[str, ...]]:
    """Find the configurations that equal the published point, or the baseline, in every searched field; by number.

    The published point is one of DASS: no configuration of another network equals it. A field that is not searched at a
    point, as its condition does not hold, is not looked at.
    """
    try:
        own = config.space.recipe({}).model_dump(mode="json")
    except ConfigError:
        # The fixed settings are a recipe only together with searched ones.
        own = None
    published = Recipe().model_dump(mode="json")
    found: dict[int, tuple[str, ...]] = {}
    for configuration in board.configurations:
        values = configuration.values
        network = values.get("backbone.name", own["backbone"]["name"] if own else None)
        marks = [PAPER] if network == published["backbone"]["name"] and _equals(values, published) else []
        marks += [BASELINE] if own is not None and _equals(values, own) else []
        if marks:
            found[configuration.number] = tuple(marks)
    return found


def _equals(values: Mapping[str, Any], recipe: Mapping[str, Any]) -> bool:
    return bool(values) and all(_plain(value) == _at(recipe, path) for path, value in values.items())


def _at(recipe: Mapping[str, Any], path: str) -> Any:
    # A field of a user's own network may be searched and stand in no recipe, and of bands a recipe has the indices.
    return reduce(
        lambda found, name: found.get(name, {}) if isinstance(found, Mapping) else {}, path.split("."), recipe
    )


def _plain(value: Any) -> Any:
    return [*map(_plain, value)] if isinstance(value, tuple) else value
