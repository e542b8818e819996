"""What a study trains at this moment: each unit's epoch, score and loss so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from rich.table import Table

from data.quantities import duration
from evidence.objectives import TITLES
from sweep.study.board import Board
from sweep.study.nodes import shown
from sweep.study.units import Unit

LOSS = "train_loss"
Epochs = Callable[[Mapping[str, Any]], int]
"""How many epochs a configuration trains, by its values."""


def training_now(board: Board, epochs: Epochs, now: float, rows: int | None = None) -> Table | None:
    """Make a table of the units that run, those that are furthest first; None while there is none.

    Epoch x of y, the score of the last epoch and the best one so far in percent, the loss, and for how long the unit has
    held its device. `epochs`: the length of a configuration by its values. `rows`: at most so many units; all for None.
    """
    if not board.running:
        return None
    units = sorted(board.running.values(), key=lambda unit: (-len(unit.curve), unit.configuration, unit.seed))
    nodes = {unit.node for unit in units if unit.node}
    table = Table(header_style="bold")
    columns = ("trains now", "seed", "epoch", f"{TITLES[board.metric]} %", "its best %", "loss", "for")
    for column in (*columns, *(["on"] if len(nodes) > 1 else [])):
        table.add_column(column, justify="right", no_wrap=True)
    for unit in units[:rows]:
        node = [shown(unit.node) if unit.node else ""] if len(nodes) > 1 else []
        table.add_row(*_cells(unit, board, epochs, now), *node)
    return table


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
