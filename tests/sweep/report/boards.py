"""A board with a configuration of every fate, and the cells of its leaderboard."""

from data.task import ICBHI
from sweep.report.leaderboard import leaderboard
from sweep.study.board import Board
from sweep.study.events import ConfigurationDropped, UnitFailed, UnitPruned
from tests.sweep.histories import added, reported, trained

BOARD = Board(
    (1, 2),
    [
        *[*added(0), *trained(0, 1, 0.5), *trained(0, 2, 0.6)],
        *[*added(1), *reported(1, 1, 0.4), UnitPruned(1, 1, "pruned at epoch 1: score 0.400")],
        *[*added(2), *trained(2, 1, 0.7), *trained(2, 2, 0.7)],
        *[*added(3), *trained(3, 1, 0.9), *reported(3, 2, 0.1), UnitFailed(3, 2, "loss is [NaN]\nTraceback")],
        *[*added(4), *reported(4, 1, 0.45)],
        *[*added(5), *trained(5, 1, 0.3), ConfigurationDropped(5, "dropped after seed 1: 0.300")],
    ],
)


def rows_of(board: Board, rows: int | None = None) -> list[list[str]]:
    """The cells of the table, row by row."""
    table = leaderboard(board, ICBHI, rows=rows)
    return [list(row) for row in zip(*[map(str, column.cells) for column in table.columns], strict=True)]
