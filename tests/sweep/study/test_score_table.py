import numpy as np
import pytest

from sweep.study.score_table import ScoreTable
from tests.sweep.histories import epoch


def table_of(*rows: list[float]) -> ScoreTable:
    """Two seeds; scores of those that have finished."""
    table = ScoreTable(2)
    for row, scores in enumerate(rows):
        table.add()
        for seed, score in enumerate(scores):
            table.start(row)
            table.fill(row, seed, epoch(1, score))
    return table


def test_rows_are_ranked_by_mean_once_all_seeds_have_finished_and_equal_ones_by_number() -> None:
    table = table_of([0.5, 0.6], [0.9], [0.7, 0.7], [0.6, 0.5])
    assert table.ranking() == [2, 0, 3]
    assert table.leaders(2) == [1, 2]
    table.close(2)
    assert table.ranking() == [0, 3]


def test_a_seed_that_has_not_finished_is_no_number() -> None:
    table = table_of([0.5])
    np.testing.assert_array_equal(table.metric("sensitivity"), [[0.4, np.nan]])
    assert table.started.tolist() == [1]


def test_a_table_grows_in_rows_and_in_seeds_and_keeps_what_it_has() -> None:
    table = table_of(*[[0.01 * row, 0.01 * row] for row in range(40)])
    table.widen(3)
    assert table.metric("score").shape == (40, 3)
    assert table.ranking() == []
    table.fill(39, 2, epoch(1, 0.6))
    assert table.ranking() == [39]
    assert table.metric("score")[39].tolist() == pytest.approx([0.39, 0.39, 0.6])


def test_the_front_is_what_nothing_else_beats_in_both_rates() -> None:
    table = ScoreTable(1)
    for row, (sensitivity, specificity) in enumerate([(0.2, 0.9), (0.5, 0.5), (0.1, 0.8)]):
        table.add()
        table.fill(row, 0, epoch(1, sensitivity=sensitivity, specificity=specificity))
    names = ("sensitivity", "specificity")
    assert table.front(names) == [0, 1]
    assert table.dominates(names, [0.1, 0.85])
    assert not table.dominates(names, [0.5, 0.5])
