"""The fields that a study searches, with their bounds, as a table for people."""

from __future__ import annotations

from rich.table import Table

from sweep.config.parameters import AnyParameter, FloatParameter, IntParameter
from sweep.config.search_space import SearchSpace
from sweep.report.field_names import short_name
from sweep.report.leaderboard import written


def space_table(space: SearchSpace) -> Table:
    """Make a table with a row for each searched field: its name, path and values, and when it is searched."""
    table = Table(header_style="bold")
    for column in ("field", "as", "values", "only where"):
        table.add_column(column, overflow="fold")
    for path, parameter in space.parameters.items():
        conditions = " and ".join(
            f"{short_name(other, space.parameters)} "
            + ("is not null" if values is None else f"is {' or '.join(map(written, values))}")
            for other, values in parameter.conditions.items()
        )
        table.add_row(path, short_name(path, space.parameters), values_in_words(parameter), conditions)
    return table


def values_in_words(parameter: AnyParameter) -> str:
    """Say which values a searched field may have: `0.02 to 0.5, logarithmic`, `1 to 9 by 2`, `a, b or none`."""
    if isinstance(parameter, FloatParameter | IntParameter):
        step = parameter.step
        by = f" by {written(step)}" if step is not None and step != 1 else ""
        log = ", logarithmic" if parameter.log else ""
        return f"{written(parameter.low)} to {written(parameter.high)}{by}{log}"
    return ", ".join(map(written, parameter.choices))
