import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep.config.parameters import CategoricalParameter, FloatParameter, IntParameter


def test_a_range_without_steps_has_no_grid() -> None:
    assert FloatParameter(type="float", low=0.0, high=1.0).grid() is None
    assert IntParameter(type="int", low=1, high=64, log=True).grid() is None


def test_the_steps_of_a_range_are_the_numbers_one_would_write() -> None:
    assert FloatParameter(type="float", low=0.1, high=0.5, step=0.1).grid() == [0.1, 0.2, 0.3, 0.4, 0.5]
    assert IntParameter(type="int", low=3, high=9, step=2).grid() == [3, 5, 7, 9]


@given(low=st.integers(-50, 50), steps=st.integers(0, 200), decimals=st.integers(0, 4))
def test_a_range_admits_its_own_grid(low: int, steps: int, decimals: int) -> None:
    step = 10**-decimals
    parameter = FloatParameter(type="float", low=low, high=round(low + steps * step, decimals), step=step)
    grid = parameter.grid()
    assert grid is not None
    assert len(grid) == steps + 1
    assert all(parameter.admits(value) for value in grid)


def test_rounding_off_the_grid_is_undone() -> None:
    parameter = FloatParameter(type="float", low=0.1, high=0.5, step=0.1)
    assert 0.1 + 2 * 0.1 != 0.3
    assert parameter.nearest(0.1 + 2 * 0.1) == 0.3


def test_a_continuous_value_stays_as_it_is() -> None:
    assert FloatParameter(type="float", low=0.1, high=0.5).nearest(0.123) == 0.123


@pytest.mark.parametrize(
    ("value", "admitted"),
    [(0.1, True), (0.2, True), (0.3, True), (0.22, False), (0.35, False), (True, False)],
)
def test_a_stepped_range_admits_its_steps_only(value: object, admitted: bool) -> None:
    parameter = FloatParameter(type="float", low=0.1, high=0.3, step=0.05)
    assert parameter.admits(value) is admitted


@pytest.mark.parametrize("value", [1, 2, 4, 11, 3.0, "3", None, True])
def test_an_integer_range_admits_no_other_value(value: object) -> None:
    assert not IntParameter(type="int", low=3, high=9, step=2).admits(value)


def test_choices_may_be_lists_and_null() -> None:
    parameter = CategoricalParameter.model_validate(
        {"type": "categorical", "choices": [None, [2, 3], "time"]}
    )
    assert parameter.choices == (None, (2, 3), "time")
    assert parameter.admits((2, 3))
    assert parameter.admits(None)
    assert not parameter.admits("frequency")


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"low": 0.0, "high": 1.0, "log": True}, "a log range must start above 0, got low 0.0"),
        ({"low": 2.0, "high": 1.0}, "low 2.0 is above high 1.0"),
        ({"low": 1.0, "high": float("inf")}, "finite number"),
        ({"low": 1.0, "high": 2.0, "log": True, "step": 0.5}, "step and log exclude each other"),
        (
            {"low": 0.1, "high": 0.55, "step": 0.1},
            "high 0.55 is not low 0.1 plus whole steps of 0.1; use 0.5",
        ),
        ({"low": 0.1, "high": 0.5, "step": 0.0}, "greater than 0"),
        ({"low": 1e-9, "high": 1.0, "step": 1e-9}, "step 1e-09 makes more than 1,000,000 steps"),
        ({"low": 1e-9, "high": 1.0, "step": 1e-40}, "step 1e-40 makes more than 1,000,000 steps"),
        ({"low": -1e308, "high": 1e308, "step": 5e-324}, "makes more than 1,000,000 steps"),
    ],
)
def test_a_float_range_that_is_none_is_refused(settings: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FloatParameter.model_validate({"type": "float", **settings})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"low": 0, "high": 8, "log": True}, "a log range must start above 0, got low 0"),
        ({"low": 3, "high": 8, "step": 2}, "high 8 is not low 3 plus whole steps of 2; use 7"),
        ({"low": 1, "high": 9, "step": 2, "log": True}, "step and log exclude each other"),
        ({"low": 1.5, "high": 9}, "valid integer"),
        ({"low": 1, "high": 10**12}, "step 1 makes more than 1,000,000 steps"),
        ({"low": 1, "high": 10**400}, "step 1 makes more than 1,000,000 steps"),
        ({"low": True, "high": 9}, "valid integer"),
    ],
)
def test_an_integer_range_that_is_none_is_refused(settings: dict[str, float], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        IntParameter.model_validate({"type": "int", **settings})


@pytest.mark.parametrize(
    ("choices", "complaint"), [([], "at least 1 item"), ([3, 5, 3], "the same choice twice: 3")]
)
def test_choices_must_be_some_and_differ(choices: list[int], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        CategoricalParameter.model_validate({"type": "categorical", "choices": choices})


def test_more_values_than_are_meant_one_by_one_are_no_grid() -> None:
    assert FloatParameter(type="float", low=0.0, high=1.0, step=1e-5).grid() is None
    assert IntParameter(type="int", low=1, high=100_000).grid() is None
    assert len(FloatParameter(type="float", low=0.0, high=1.0, step=1e-3).grid() or ()) == 1001


def test_truth_values_are_other_choices_than_numbers() -> None:
    parameter = CategoricalParameter(type="categorical", choices=(False, 0, 1))
    assert parameter.admits(False)
    assert not parameter.admits(True)
    assert not CategoricalParameter(type="categorical", choices=(0, 1)).admits(True)
    with pytest.raises(ValueError, match="the same choice twice: 1"):
        CategoricalParameter(type="categorical", choices=(1, 1.0))
