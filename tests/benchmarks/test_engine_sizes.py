"""The table of what the race saves by the size of a study."""

import numpy as np
import pytest

from benchmarks.engine_sizes import Raced, Size, below_bars, on_front, play, row
from benchmarks.engine_worlds import size_case


def test_a_row_is_on_the_front_unless_another_is_as_good_in_both_and_better_in_one() -> None:
    objectives = np.array([[0.9, 0.1], [0.5, 0.5], [0.5, 0.4], [0.1, 0.9], [0.1, 0.9]])
    assert on_front(objectives).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("seed_sd", [0.8, 2.7])
def test_scores_of_a_world_differ_between_seeds_as_its_name_says(seed_sd: float) -> None:
    case = size_case(50, 5, seed_sd)
    curves, points = case.curves(0), case.config.space.grid_points()
    assert (len(points), case.config.seeds) == (50, (1, 2, 3, 4, 5))
    scores = np.array(
        [[curves.curve(point, seed, 1)[-1, 0] for seed in case.config.seeds] for point in points]
    )
    assert 100 * np.sqrt(scores.var(1, ddof=1).mean()) == pytest.approx(seed_sd, rel=0.15)


def test_larger_studies_save_more_and_two_objectives_less() -> None:
    small, large = play(Size(0.8, 8, 5), 0), play(Size(0.8, 50, 5), 0)
    assert 0 < small.saved < 70 < large.saved < 80
    assert 0 < large.saved_of_two < large.saved
    assert large.lost == 0
    assert large.found_of_two == 100


def test_a_row_holds_means_over_the_repeats() -> None:
    raced = [Raced(60.0, 0.0, 20.0, 100.0), Raced(70.0, 0.2, 40.0, 50.0)]
    assert row(Size(0.8, 8, 5), raced) == "| 0.8 | 8 | 5 | 65.0 | +0.100 ± 0.100 | 30.0 | 75.0 |"


def test_a_bar_that_is_missed_says_which() -> None:
    assert list(below_bars(Size(1.5, 30, 5), [Raced(64.0, 0.1, 0, 0)] * 2)) == [
        "seed sd 1.5, 30 configurations, 5 seeds: 64.0 % saved, less than 65 %",
        "seed sd 1.5, 30 configurations, 5 seeds: 0.100 ± 0.000 points lost, more than 0.01",
    ]
    for size in (Size(1.5, 20, 5), Size(1.5, 30, 3), Size(2.7, 30, 5)):
        assert list(below_bars(size, [Raced(30.0, 0.0, 0, 0)] * 2)) == []
