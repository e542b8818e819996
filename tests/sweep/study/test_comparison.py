import numpy as np
import pytest

from sweep.study.board import Board
from sweep.study.comparison import comparison_of
from sweep.study.events import ConfigurationDropped, Event, UnitPruned
from tests.sweep.histories import added, reported, trained


def all_seeds(number: int, *scores: float) -> list[Event]:
    return [
        *added(number),
        *(event for seed, score in enumerate(scores, 1) for event in trained(number, seed, score)),
    ]


STUDY: list[Event] = [
    *all_seeds(0, 0.60, 0.62, 0.64),
    *all_seeds(1, 0.61, 0.64, 0.66),
    *all_seeds(2, 0.40, 0.41, 0.43),
    *[*all_seeds(3, 0.59), ConfigurationDropped(3, "dropped after seed 1: 0.590")],
    *[*added(4), *reported(4, 1, 0.3), UnitPruned(4, 1, "pruned at epoch 1: score 0.300")],
]


def test_who_has_all_seeds_and_cannot_be_told_from_the_best_is_tied_and_nobody_dropped() -> None:
    compared = comparison_of(Board((1, 2, 3), STUDY))
    assert compared is not None
    assert (compared.best, compared.chosen_among) == (1, 5)
    assert [compared.is_tied(number) for number in range(5)] == [True, False, False, False, False]


def test_the_best_is_expected_to_be_lower_than_it_was_and_only_scores_are_believed() -> None:
    compared = comparison_of(Board((1, 2, 3), STUDY))
    assert compared is not None
    expected = compared.expectation(1)
    assert expected is not None
    mean = (0.61 + 0.64 + 0.66) / 3
    assert 0 < expected.luck < 0.02
    assert expected.mean == pytest.approx(mean - expected.luck)
    assert expected.low < expected.mean < expected.high
    assert compared.expectation(4) is None
    assert np.isnan(compared.probability_best[4])
    assert compared.probability_best[:4].argmax() == 1


def test_nothing_is_compared_before_a_configuration_is_complete() -> None:
    assert comparison_of(Board((1, 2, 3))) is None
    assert comparison_of(Board((1, 2, 3), STUDY[:5])) is None


def test_with_one_seed_nobody_is_tied_and_nothing_expected() -> None:
    compared = comparison_of(Board((1,), [*all_seeds(0, 0.5), *all_seeds(1, 0.6)]))
    assert compared is not None
    assert compared.tied is None
    assert not compared.is_tied(0)
    assert compared.expectation(1) is None


def test_one_configuration_alone_was_not_chosen() -> None:
    compared = comparison_of(Board((1, 2, 3), all_seeds(0, 0.60, 0.62, 0.64)))
    assert compared is not None
    assert compared.expectation(0) is None


def test_what_comes_later_is_compared_anew() -> None:
    board = Board((1, 2, 3), STUDY)
    before = comparison_of(board)
    assert comparison_of(board) is before
    for event in all_seeds(5, 0.7, 0.7, 0.7):
        board.apply(event)
    after = comparison_of(board)
    assert after is not None
    assert after.best == 5
