"""Known truths: how often an interval holds the true mean, in simulation with fixed seeds."""

import numpy as np
import pytest

from evidence.seed_statistics import mean_interval, rate_interval, seed_squares

REPEATS = 20_000


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("mean", "sd"), [(0.5, 0.015), (0.5, 0.05), (0.9, 0.03), (0.99, 0.005), (0.99, 0.008)]
)
def test_an_interval_of_a_rate_holds_the_true_mean_in_95_of_100_and_stays_within_0_and_1(
    mean: float, sd: float, seeds: int
) -> None:
    both = mean * (1 - mean) / sd**2 - 1
    scores = np.random.default_rng(5).beta(mean * both, (1 - mean) * both, (REPEATS, seeds))
    pairs = zip(scores.mean(1).tolist(), scores.std(1, ddof=1).tolist(), strict=True)
    intervals = np.array([rate_interval(*pair, seeds) for pair in pairs])
    assert intervals.min() >= 0
    assert intervals.max() <= 1
    covered = ((intervals[:, 0] <= mean) & (mean <= intervals[:, 1])).mean()
    assert 0.93 <= covered <= 0.97


def test_far_from_0_and_1_an_interval_of_a_rate_is_students() -> None:
    # t(0.975, 4) = 2.776, and the standard error is 0.01 / sqrt(5).
    low, high = rate_interval(0.6, 0.01, 5) or (0, 0)
    assert (low, high) == pytest.approx((0.6 - 0.0124, 0.6 + 0.0124), abs=1e-4)


def test_an_interval_of_differences_holds_the_true_mean_in_95_of_100() -> None:
    differences = np.random.default_rng(6).normal(0.3, 2.0, (REPEATS, 4))
    intervals = np.array([mean_interval(row) for row in differences.tolist()])
    covered = (np.prod(intervals - 0.3, axis=1) < 0).mean()
    assert covered == pytest.approx(0.95, abs=0.006)


@pytest.mark.parametrize("seeds", [1, 2])
def test_below_three_seeds_no_interval_is_given(seeds: int) -> None:
    assert rate_interval(0.6, 0.1, seeds) is None
    assert mean_interval([0.6, 0.7][:seeds]) is None


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_seeds_that_all_score_0_or_1_leave_a_point(mean: float) -> None:
    assert rate_interval(mean, 0.0, 5) == (mean, mean)


def test_squares_are_pooled_over_the_configurations_that_have_two_seeds() -> None:
    scores = np.array([[1.0, 3.0, np.nan], [2.0, 2.0, 5.0], [7.0, np.nan, np.nan], [np.nan] * 3])
    assert seed_squares(scores) == (pytest.approx(2 + 6), 3)
