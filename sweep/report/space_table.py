"""The fields that a study searches, with their values and conditions, as a table for people."""

from __future__ import annotations

from typing import Any

from rich.table import Table

from sweep.config.parameters import AnyParameter, CategoricalParameter
from sweep.config.search_space import SearchSpace
from sweep.report.searched_values import written


def space_table(space: SearchSpace, caption: str | None = None) -> Table:
    """Make a table with a row for each searched field: its path, its values, and when it is searched."""
    table = Table(header_style="bold", caption=caption, caption_justify="left")
    for column in ("searched", "values", "when"):
        table.add_column(column, overflow="fold")
    for path, parameter in space.parameters.items():
        table.add_row(path, values_in_words(parameter, path), _condition(parameter))
    return table


def values_in_words(parameter: AnyParameter, field: str = "") -> str:
    """Say which values a searched `field` may have: `5e-05 to 0.002, log`, `16 to 64 in steps of 16`, `null, 0, 1`."""
    if isinstance(parameter, CategoricalParameter):
        return ", ".join(in_yaml(choice, field) for choice in parameter.choices)
    span = f"{written(parameter.low)} to {written(parameter.high)}"
    if parameter.log:
        return f"{span}, log"
    step = parameter.step
    return span if step is None or (parameter.type == "int" and step == 1) else f"{span} in steps of {step:g}"


def in_yaml(value: Any, field: str = "") -> str:
    """Write a value of a field as a study file has it: `null` for none."""
    return "null" if value is None else written(value, field)


def _condition(parameter: AnyParameter) -> str:
    """Write when a field varies: `smoothing.stage is 0 or 1`."""
    return " and ".join(
        f"{path} is {'not null' if values is None else ' or '.join(in_yaml(value, path) for value in values)}"
        for path, values in parameter.conditions.items()
    )
