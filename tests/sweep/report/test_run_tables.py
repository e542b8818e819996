"""Curves and confusion matrices of a configuration as CSV."""

from sweep.report.run_tables import run_tables
from sweep.study.board import Board
from tests.sweep.histories import added, reported, trained

LABELS = ("normal", "crackle")


def test_curves_have_a_row_for_each_epoch_of_each_seed_and_confusions_one_for_each_answer() -> None:
    counts = [[30, 2], [5, 13]]
    board = Board(
        (1, 2),
        [
            *added(0, 1),
            *trained(0, 1, 0.5, 0.25, train_loss=0.25, confusion=counts, note="resumed"),
            *reported(0, 2, 0.5),
            *trained(1, 1, 0.1, confusion=counts),
        ],
    )
    tables = run_tables(board.configurations[0], LABELS)
    assert tables["curves.csv"].splitlines() == [
        "seed,epoch,score,sensitivity,specificity,any_abnormal_score,train_loss",
        *("1,1,0.5,0.4,0.6,0.7,0.25", "1,2,0.25,0.15,0.35,0.45,0.25", "2,1,0.5,0.4,0.6,0.7,"),
    ]
    assert tables["confusion.csv"].splitlines() == [
        "seed,epoch,truth,answer,cycles",
        *("1,2,normal,normal,30", "1,2,normal,crackle,2", "1,2,crackle,normal,5", "1,2,crackle,crackle,13"),
    ]


def test_a_table_without_rows_and_matrices_of_other_labels_are_left_out() -> None:
    board = Board((1,), [*added(0, 1), *trained(0, 1, 0.6, confusion=[[1]])])
    assert set(run_tables(board.configurations[0], LABELS)) == {"curves.csv"}
    assert run_tables(board.configurations[1], LABELS) == {}
