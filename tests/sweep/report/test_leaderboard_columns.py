"""What stands in the columns of a leaderboard."""

from data.task import ICBHI
from sweep.report.frames import leaderboard_frame
from sweep.report.leaderboard import leaderboard
from sweep.study.board import Board
from sweep.study.events import Event
from tests.sweep.histories import added, trained
from tests.sweep.report.boards import BOARD, rows_of


def test_sharpness_has_a_column_where_it_was_measured() -> None:
    events = [*trained(0, 1, 0.5, sharpness=0.125), *trained(0, 2, 0.5, sharpness=0.375), *trained(1, 1, 0.6)]
    board = Board((1, 2), [*added(0, 1), *events])
    table = leaderboard(board, ICBHI)
    (column,) = (column for column in table.columns if column.header == "sharpness")
    assert list(map(str, column.cells)) == ["0.25 ± 0.18", ""]
    assert "sharpness" not in [column.header for column in leaderboard(BOARD, ICBHI).columns]


def test_the_pareto_front_is_marked_when_two_rates_are_sought() -> None:
    def rates(number: int, sensitivity: float, specificity: float) -> list[Event]:
        score = (sensitivity + specificity) / 2
        unit = trained(number, 1, score, sensitivity=sensitivity, specificity=specificity)
        return [*added(number), *unit]

    board = Board((1,), [*rates(0, 0.2, 0.9), *rates(1, 0.5, 0.5), *rates(2, 0.1, 0.8)])
    table = leaderboard(board, ICBHI, objectives=("sensitivity", "specificity"))
    states = dict(zip(table.columns[1].cells, table.columns[-1].cells, strict=True))
    assert states == {"0": "complete, Pareto front", "1": "complete, Pareto front", "2": "complete"}


def test_a_field_that_a_configuration_lacks_is_left_empty() -> None:
    board = Board((1,), [*added(0, stage=None), *added(1, stage=1, sigma=3.0)])
    table = leaderboard(board, ICBHI)
    assert [str(column.header) for column in table.columns[6:8]] == ["stage", "sigma"]
    assert [row[6:8] for row in rows_of(board)] == [["none", ""], ["1", "3"]]


def test_rates_are_percent_with_their_deviation_over_seeds() -> None:
    rows = {row[1]: row for row in rows_of(BOARD)}
    assert rows["0"][2:6] == ["55.0 ± 7.1", "45.0 ± 7.1", "65.0 ± 7.1", "2"]
    assert rows["3"][2:6] == ["90.0", "80.0", "100.0", "1"]
    assert rows["4"][2:6] == ["(45.0)", "(35.0)", "(55.0)", "0"]


def test_searched_epochs_and_epochs_trained_are_two_columns() -> None:
    board = Board((1, 2), [*added(0, epochs=3), *trained(0, 1, 0.5), *trained(0, 2, 0.6)])
    frame = leaderboard_frame(board)
    assert (list(frame["epochs"]), list(frame["epochs_trained"])) == ([3], [2])
    table = leaderboard(board, ICBHI, columns=["epochs", "epochs trained"])
    assert [list(column.cells) for column in table.columns] == [["3"], ["2"]]
    chosen = leaderboard_frame(board, columns=["epochs trained", "epochs"])
    assert list(chosen.columns) == ["epochs_trained", "epochs"]
