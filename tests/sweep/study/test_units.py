from collections.abc import Mapping
from typing import Any

import pytest

from sweep.study.units import Configuration, State, Summary, Unit, unit_id


def test_a_unit_is_over_when_it_neither_runs_nor_waits() -> None:
    over = {state for state in State if Unit(0, 1, state).over}
    assert over == {State.FINISHED, State.PRUNED, State.FAILED}


def test_units_sort_by_configuration_in_a_folder() -> None:
    assert sorted([unit_id(10, 1), unit_id(9, 2), unit_id(9, 1)]) == [
        "0009-seed1",
        "0009-seed2",
        "0010-seed1",
    ]


def test_a_mean_has_an_interval_within_0_and_1_from_three_seeds_on() -> None:
    # t(0.975, 4) = 2.776, and the standard error is 0.01 / sqrt(5).
    low, high = Summary(0.6, 0.01, 5).interval() or (0, 0)
    assert (low, high) == pytest.approx((0.6 - 0.0124, 0.6 + 0.0124), abs=1e-4)
    low, high = Summary(0.98, 0.02, 3).interval() or (0, 0)
    assert 0.79 < low < 0.98 < high < 1
    assert Summary(0.6, 0.1, 2).interval() is None
    assert Summary(0.6, None, 1).interval() is None


def test_what_is_of_the_last_weights_is_taken_from_the_last_epoch_and_rates_from_the_one_that_counts() -> (
    None
):
    curve: list[Mapping[str, Any]] = [
        {"epoch": 1, "score": 0.7},
        {"epoch": 2, "score": 0.6, "sharpness": 0.25},
    ]
    told = Unit(0, 1, State.FINISHED, curve, selected=curve[0])
    running = Unit(0, 2, State.RUNNING, curve)
    unmeasured = Unit(0, 3, State.FINISHED, curve[:1], selected=curve[0])
    configuration = Configuration(0, {}, units={1: told, 2: running, 3: unmeasured})
    assert configuration.finished_values("score") == [0.7, 0.7]
    assert configuration.summary("sharpness") == Summary(0.25, None, 1)


def test_one_seed_has_a_mean_and_no_deviation() -> None:
    assert Summary.of([0.5]) == Summary(0.5, None, 1)
    assert str(Summary.of([0.5])) == "50.0 %"
