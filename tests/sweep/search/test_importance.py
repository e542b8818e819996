"""Shares of fields, in worlds where it is known which one matters."""

import numpy as np
import pytest

from sweep.config.parameters import CategoricalParameter, FloatParameter
from sweep.search.importance import count_best, importance_intervals, importances

PARAMETERS = {
    "matters": FloatParameter(type="float", low=0.0, high=1.0),
    "idle": FloatParameter(type="float", low=0.0, high=1.0),
    "kind": CategoricalParameter(type="categorical", choices=("a", "b", (1, 2))),
}


def world(points: int, seed: int = 0) -> tuple[list[dict[str, object]], list[float]]:
    random = np.random.default_rng(seed)
    found = [
        {"matters": one, "idle": other, "kind": ("a", "b", (1, 2))[random.integers(3)]}
        for one, other in random.random((points, 2)).tolist()
    ]
    return found, [1 - abs(float(str(one["matters"])) - 0.3) for one in found]


def test_the_field_that_decides_has_the_largest_share() -> None:
    shares = importances(PARAMETERS, *world(80))
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["matters"] > 0.8
    intervals = importance_intervals(PARAMETERS, *world(80), draws=10)
    assert intervals["matters"][0] > intervals["idle"][1]


def test_a_field_under_a_condition_is_judged_on_the_points_that_have_it() -> None:
    points, scores = world(80)
    for point in points[::2]:
        del point["idle"]
    shares = importances(PARAMETERS, points, scores)
    assert set(shares) == set(PARAMETERS)
    assert shares["matters"] > shares["idle"]


@pytest.mark.parametrize("scores", [[0.5] * 20, [0.1, 0.2, 0.3]])
def test_nothing_is_said_of_equal_scores_and_of_few_points(scores: list[float]) -> None:
    points, _ = world(len(scores))
    assert importances(PARAMETERS, points, scores) == {}
    assert importance_intervals(PARAMETERS, points, scores, draws=3) == {}


def test_the_best_are_a_tenth_rounded_up_and_those_as_good() -> None:
    assert [count_best([float(score) for score in range(number)]) for number in (8, 10, 11, 60)] == [
        1,
        1,
        2,
        6,
    ]
    assert count_best([0.9, 0.9, 0.9, *[0.1] * 7]) == 3
