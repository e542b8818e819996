"""Whoever means a configuration gets that one, or hears which there are."""

import pytest

from sweep.report.which_configuration import NoConfigurationError, which_configuration
from sweep.study.board import Board
from tests.sweep.histories import added, trained

BOARD = Board(
    (1, 2),
    [
        *added(0, 1, 2),
        *(
            event
            for number, scores in enumerate([(0.5, 0.6), (0.7, 0.8), (0.9,)])
            for seed, score in enumerate(scores, start=1)
            for event in trained(number, seed, score)
        ),
    ],
)


def test_the_best_has_finished_all_seeds() -> None:
    assert which_configuration(BOARD, "first").number == 1


def test_another_one_is_found_by_its_number() -> None:
    assert which_configuration(BOARD, "first", 0).number == 0


@pytest.mark.parametrize(
    ("number", "complaint"),
    [
        (2, r"first: configuration 2 has not finished all 2 seeds; those that have: 1, 0$"),
        (3, r"first: there is no configuration 3 among its 3$"),
        (-1, r"first: there is no configuration -1 among its 3$"),
    ],
)
def test_one_that_cannot_be_meant_is_refused_with_those_that_can(number: int, complaint: str) -> None:
    with pytest.raises(NoConfigurationError, match=complaint):
        which_configuration(BOARD, "first", number)


def test_a_study_without_a_complete_configuration_says_how_far_it_is() -> None:
    with pytest.raises(
        NoConfigurationError, match=r"first: no configuration has finished all 2 seeds, .* not begun"
    ):
        which_configuration(Board((1, 2)), "first")
    with pytest.raises(NoConfigurationError, match=r"has not finished all 2 seeds; those that have: none$"):
        which_configuration(Board((1, 2), added(0)), "first", 0)
