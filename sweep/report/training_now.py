"""What a study trains at this moment: each unit's epoch, score and loss so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from data.quantities import duration
from evidence.objectives import TITLES
from sweep.report.fitting_table import FittingTable
from sweep.study.board import Board
from sweep.study.nodes import shown
from sweep.study.units import Unit

LOSS = "train_loss"
NEEDED_LEAST_FIRST = ("loss", "on", "its best %", "for", "seed")
"""Columns that are left out where they do not fit."""
Epochs = Callable[[Mapping[str, Any]], int]
"""How many epochs a configuration trains, by its values."""


def training_now(board: Board, epochs: Epochs, now: float, rows: int | None = None) -> FittingTable | None:
    """Make a table of the units that run, those that are furthest first; None while there is none.

    Epoch x of y, the score of the last epoch and the best one so far in percent, the loss, and for how long the unit has
    held its device. Where the columns do not fit, the least needed are left out. `epochs`: the length of a configuration
    by its values. `rows`: at most so many units; all for None.
    """
    if not board.running:
        return None
    units = sorted(board.running.values(), key=lambda unit: (-len(unit.curve), unit.configuration, unit.seed))
    nodes = {unit.node for unit in units if unit.node}
    headings = ("trains now", "seed", "epoch", f"{TITLES[board.metric]} %", "its best %", "loss", "for")
    columns = [[heading] for heading in (*headings, *(["on"] if len(nodes) > 1 else []))]
    for unit in units[:rows]:
        node = [shown(unit.node) if unit.node else ""] if len(nodes) > 1 else []
        for column, cell in zip(columns, [*_cells(unit, board, epochs, now), *node], strict=True):
            column.append(cell)
    table = _table(columns)
    table.narrow = lambda width: _table(_fitting(columns, width))
    return table


def _table(columns: Sequence[Sequence[str]]) -> FittingTable:
    """Make a table of columns, each a heading and its cells."""
    table = FittingTable(header_style="bold")
    for heading, *_ in columns:
        table.add_column(heading, justify="right", no_wrap=True)
    for cells in zip(*(column[1:] for column in columns), strict=True):
        table.add_row(*cells)
    return table


def _fitting(columns: Sequence[Sequence[str]], width: int) -> list[Sequence[str]]:
    """Leave out the least needed columns until the others fit a width, with a line and two blanks for each."""
    kept = list(columns)
    for heading in NEEDED_LEAST_FIRST:
        if 1 + sum(3 + max(map(len, column)) for column in kept) <= width:
            break
        kept = [column for column in kept if column[0] != heading]
    return kept


def _cells(unit: Unit, board: Board, epochs: Epochs, now: float) -> list[str]:
    length = epochs(board.configurations[unit.configuration].values)
    scores = [report[board.metric] for report in unit.curve]
    loss = unit.curve[-1].get(LOSS) if unit.curve else None
    return [
        f"no. {unit.configuration}",
        str(unit.seed),
        f"{len(unit.curve)} of {length}",
        f"{100 * scores[-1]:.1f}" if scores else "",
        f"{100 * max(scores):.1f}" if scores else "",
        f"{loss:.3f}" if isinstance(loss, int | float) else "",
        duration(unit.seconds(now)),
    ]
