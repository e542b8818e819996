"""A column of a leaderboard: how a person names it, to see columns in an order of their own and to sort rows by one."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from data.settings import ConfigError
from sweep.study.units import Configuration

Row = tuple[int | None, Configuration]
"""Rank, from 1, and configuration."""


@dataclass(frozen=True)
class BoardColumn:
    """A column: its `heading`, other `names` for it, its cells as people read them, and values to sort by.

    `value`: None sorts last. `falls`: the largest value comes first. `right`: numbers stand at the right. `below`: where
    the table does not fit, its cells stand in a line of their own below each row. `asked`: shown only when named.
    `data`: the columns of `sweep.report.frames.leaderboard_frame` that hold the same.
    """

    heading: str
    names: tuple[str, ...]
    cell: Callable[[Row], str]
    value: Callable[[Row], Any]
    data: tuple[str, ...]
    right: bool = True
    falls: bool = False
    below: bool = False
    asked: bool = False

    def is_called(self, name: str) -> bool:
        """Whether a person means this column by a name: its heading, with or without %, or another name."""
        wanted = name.strip().casefold()
        known = (self.heading, self.heading.removesuffix(" %"), *self.names)
        return wanted in (one.casefold() for one in known)


def chosen_columns(columns: Sequence[BoardColumn], names: Sequence[str] | None) -> list[BoardColumn]:
    """Choose columns by name, in the order named; without names all that are shown unasked.

    Raises ConfigError for a name that no column has, which lists those that there are.
    """
    if not names:
        return [column for column in columns if not column.asked]
    return list(dict.fromkeys(_named(columns, name, "--columns") for name in names))


def sorted_rows(rows: Sequence[Row], columns: Sequence[BoardColumn], name: str | None) -> list[Row]:
    """Sort rows by the column of a name: the best rate, the most, or the largest probability first, all else rising.

    With a dash before the name the other way round. Rows without a value come last. Raises ConfigError as
    `chosen_columns` does.
    """
    if name is None:
        return list(rows)
    column = _named(columns, name.removeprefix("-"), "--sort")
    falls = column.falls != name.startswith("-")
    known = [row for row in rows if column.value(row) is not None]
    unknown = [row for row in rows if column.value(row) is None]
    try:
        known.sort(key=column.value, reverse=falls)
    except TypeError:
        # Texts beside numbers: a field may be either.
        known.sort(key=lambda row: str(column.value(row)), reverse=falls)
    return [*known, *unknown]


def _named(columns: Sequence[BoardColumn], name: str, option: str) -> BoardColumn:
    for column in columns:
        if column.is_called(name):
            return column
    known = [column.heading for column in columns]
    near = difflib.get_close_matches(
        name, [*known, *(one for column in columns for one in column.names)], n=1
    )
    hint = f"did you mean {near[0]}? " if near else ""
    raise ConfigError(f"{option} {name}: no such column; {hint}there are {', '.join(known)}")
