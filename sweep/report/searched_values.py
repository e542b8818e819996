"""Searched values as people write them."""

from __future__ import annotations

from typing import Any

from data.errors import one_line
from data.population import as_population
from data.population import written as population_written
from sweep.config.search_space import POPULATION


def written(value: Any, field: str = "") -> str:
    """Write a searched value, of a field, as people do."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple | list) and field == POPULATION:
        return population_written(as_population(value))
    if isinstance(value, tuple | list):
        return "+".join(map(_item_written, value)) or "none"
    return "none" if value is None else one_line(str(value))


def _item_written(item: Any) -> str:
    """Write an item of a searched list; one that is a list itself is a range."""
    return "-".join(map(written, item)) if isinstance(item, tuple | list) else written(item)
