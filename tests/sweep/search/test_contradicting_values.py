"""Searches in which some values contradict each other: such points are known, and never proposed."""

import pytest

from tests.sweep.search.sweeps import BETA, SAMPLERS, Sweep, config_of, distinct, eager

BALANCE = {
    "sampling.name": {"type": "categorical", "choices": ["shuffle", "weighted"]},
    "loss.class_weights": {"type": "categorical", "choices": ["none", "inverse_frequency"]},
}
CONTRADICTION = {"sampling.name": "weighted", "loss.class_weights": "inverse_frequency"}
STEPS = {"type": "int", "low": 1, "high": 12}


def test_a_grid_leaves_out_what_makes_no_recipe_and_says_how_much_that_is_and_why() -> None:
    config = config_of({"epochs": STEPS, **BALANCE}, sampler={"name": "grid"})
    sweep = Sweep(config)
    assert sweep.search.points == 3 * 12
    assert sweep.search.skipped is not None
    assert sweep.search.skipped.startswith(
        "skipped 12 points whose values contradict each other; the first: "
        "epochs=1, loss.class_weights=inverse_frequency, sampling.name=weighted (recipe: sampling.name weighted and "
    )
    points = sweep.go_on(99)
    assert points == [
        point for point in config.space.grid_points() if not CONTRADICTION.items() <= point.items()
    ]


def test_one_at_a_time_leaves_out_what_contradicts_the_fixed_recipe() -> None:
    # A warm-up of four epochs leaves the default of 9 epochs, and not one of 3.
    search = {
        "epochs": {"type": "categorical", "choices": [9, 3]},
        "optimiser.warmup_epochs": {"type": "categorical", "choices": [0, 2, 4]},
    }
    recipe = {"backbone": {"variant": "tiny"}, "epochs": 9, "optimiser": {"warmup_epochs": 4}}
    sweep = Sweep(config_of(search, recipe=recipe, sampler={"name": "one_at_a_time"}))
    assert sweep.search.skipped is not None
    assert sweep.search.skipped.startswith(
        "skipped 1 point whose values contradict each other; this one: epochs=3,"
    )
    assert [tuple(point.values()) for point in sweep.go_on(9)] == [(9, 4), (9, 0), (9, 2)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_to_its_end_without_its_contradictions(sampler: str) -> None:
    search = {"epochs": {"type": "int", "low": 1, "high": 3}, **BALANCE}
    sweep = Sweep(config_of(search, sampler=eager(sampler)))
    points = sweep.go_on(99)
    assert sweep.search.points == len(points) == distinct(points) == 9
    assert not any(CONTRADICTION.items() <= point.items() for point in points)


@pytest.mark.slow
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_an_endless_space_is_searched_around_its_contradictions(sampler: str) -> None:
    config = config_of({"patch_mix.beta": BETA, **BALANCE}, sampler=eager(sampler))
    sweep = Sweep(config)
    points = sweep.go_on(16)
    assert distinct(points) == 16
    assert not any(CONTRADICTION.items() <= point.items() for point in points)
    assert sweep.search.skipped is not None
    assert sweep.search.points is None


@pytest.mark.parametrize("sampler", ["tpe", "qmc", "random"])
def test_a_space_that_is_nearly_all_contradictions_is_still_searched(sampler: str) -> None:
    # The lowest frequency must lie below the highest, which it does for one of 21 choices and for hardly any other.
    search = {
        "features.high_hz": {"type": "categorical", "choices": [4000, *range(100, 140, 2)]},
        "features.low_hz": {"type": "float", "low": 50, "high": 3900},
    }
    config = config_of(search, sampler=eager(sampler))
    points = Sweep(config).go_on(8)
    assert distinct(points) == 8
    for point in points:
        config.space.recipe(point)


def test_a_search_that_meets_contradictions_proposes_the_same_after_another_driver_died() -> None:
    config = config_of({"patch_mix.beta": BETA, **BALANCE}, sampler=eager("tpe"))
    whole, cut = Sweep(config), Sweep(config)
    expected = whole.go_on(12)
    cut.go_on(5)
    assert Sweep(config, cut.events).go_on(12) == expected


def test_nothing_is_said_where_every_point_makes_a_recipe() -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}))
    sweep.go_on(3)
    assert sweep.search.skipped is None
