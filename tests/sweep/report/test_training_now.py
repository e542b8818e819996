import io

import pytest
from rich.console import Console
from rich.table import Table

from sweep.report.training_now import training_now
from sweep.study.board import Board
from sweep.study.events import StudyStarted, UnitPlaced, UnitStarted
from tests.sweep.histories import added, reported, timed, trained


def cells(table: Table | None) -> list[list[str]]:
    assert table is not None
    return [list(row) for row in zip(*[map(str, column.cells) for column in table.columns], strict=True)]


def board() -> Board:
    """Three units run, one has ended; a second lies between two events."""
    return Board(
        events=timed(
            StudyStarted((1, 2)),
            *added(0, 1),
            *trained(0, 1, 0.5),
            *reported(0, 2, 0.7, 0.6, train_loss=1.23456),
            UnitStarted(1, 1),
            start=1000.0,
        )
    )


def test_each_unit_that_runs_shows_its_epoch_score_and_loss() -> None:
    made = board()
    now = 1000.0 + 8 + 60
    assert cells(training_now(made, lambda values: 5, now)) == [
        ["no. 0", "2", "2 of 5", "60.0", "70.0", "1.235", "1:02"],
        ["no. 1", "1", "0 of 5", "", "", "", "0:59"],
    ]
    assert len(cells(training_now(made, lambda values: 5, now, rows=1))) == 1


def test_where_units_run_is_told_only_when_there_are_several_nodes() -> None:
    made = board()
    made.apply(UnitPlaced(0, 2, "10.0.0.7/1f2e3d4c5b6a", at=1100.0))
    table = training_now(made, lambda values: 5, 1100.0)
    assert table is not None
    assert "on" not in [column.header for column in table.columns]
    made.apply(UnitPlaced(1, 1, "10.0.0.8/aaaabbbbcccc", at=1101.0))
    assert [row[-1] for row in cells(training_now(made, lambda values: 5, 1101.0))] == [
        "10.0.0.7 (1f2e3d4c)",
        "10.0.0.8 (aaaabbbb)",
    ]


def test_without_running_units_there_is_no_table() -> None:
    assert training_now(Board(), lambda values: 5, 0.0) is None


@pytest.mark.parametrize(
    ("width", "left_out"),
    [(80, []), (60, ["loss", "its best %"]), (45, ["loss", "its best %", "for"])],
)
def test_columns_that_do_not_fit_are_left_out_and_no_cell_is_cut(width: int, left_out: list[str]) -> None:
    console = Console(width=width, file=io.StringIO(), record=True)
    table = training_now(board(), lambda values: 60, 4000.0)
    assert table is not None
    console.print(table)
    shown = console.export_text()
    assert all(len(line) <= width for line in shown.splitlines())
    assert "…" not in shown
    assert "2 of 60" in shown
    for column in table.columns:
        assert (str(column.header) in shown) == (str(column.header) not in left_out), column.header
