"""Known truths: how often an equal of the best is called different, in simulation with fixed seeds."""

import numpy as np
import pytest

from evidence.ties import tied_with_best


def share_called_different(
    configurations: int, seeds: int, repeats: int = 1500, spread: float = 0.0
) -> float:
    """How often configuration 0, which is as good as the best, is called different from the one that came out best."""
    random = np.random.default_rng(configurations)
    different = 0
    for _ in range(repeats):
        truth = 0.6 - spread * np.append(0.0, random.random(configurations - 1))
        scores = truth[:, None] + random.normal(0, 0.015, (configurations, seeds))
        tied = tied_with_best(scores, int(scores.mean(1).argmax()), configurations)
        assert tied is not None
        different += (~tied).sum() / configurations if spread == 0 else float(not tied[0])
    return different / repeats


@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize("configurations", [2, 8, 30])
def test_of_equal_configurations_5_of_100_are_called_different(configurations: int, seeds: int) -> None:
    assert share_called_different(configurations, seeds) == pytest.approx(0.05, abs=0.012)


@pytest.mark.parametrize("configurations", [2, 8, 30])
def test_the_truly_best_is_called_different_at_most_as_often_when_the_others_are_worse(
    configurations: int,
) -> None:
    assert share_called_different(configurations, 5, spread=0.02) < 0.05


def test_the_distance_is_dunnetts() -> None:
    # Dunnett (1955), table 1a: one-sided 5 %, nine treatments, 20 degrees of freedom: 2.60.
    scores = np.array([[0.49, 0.51, 0.50]] * 10)  # 2 degrees each
    squares = 10 * 2e-4
    reach = 2.60 * np.sqrt(squares / 20 * 2 / 3)
    for factor, tied in ((0.99, True), (1.01, False)):
        scores[0] = [0.49 + factor * reach, 0.51 + factor * reach, 0.50 + factor * reach]
        found = tied_with_best(scores, 0, 10)
        assert found is not None
        assert found.tolist() == [True] + [tied] * 9


def test_who_has_fewer_seeds_must_be_further_away_to_be_different() -> None:
    scores = np.array([[0.60, 0.61, 0.62], [0.575, 0.585, 0.595], [0.585, np.nan, np.nan], [np.nan] * 3])
    scores = np.vstack([scores, np.tile([0.50, 0.51, 0.52], (6, 1))])
    tied = tied_with_best(scores, 0, len(scores))
    assert tied is not None
    assert tied[:4].tolist() == [True, False, True, False]


def test_the_more_were_chosen_among_the_further_away_one_must_be() -> None:
    scores = np.array([[0.60, 0.61, 0.62], [0.58, 0.59, 0.60]])
    few, many = (tied_with_best(scores, 0, chosen_among) for chosen_among in (2, 200))
    assert few is not None
    assert many is not None
    assert (few[1], many[1]) == (False, True)


def test_without_a_second_seed_nothing_is_known_and_without_spread_all() -> None:
    assert tied_with_best(np.array([[0.5], [0.6]]), 1, 2) is None
    tied = tied_with_best(np.array([[0.5, 0.5], [0.6, 0.6], [0.6, 0.6]]), 1, 3)
    assert tied is not None
    assert tied.tolist() == [False, True, True]
