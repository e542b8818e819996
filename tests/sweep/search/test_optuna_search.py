"""Which points a search proposes: known ones first, then new ones, each within the search space and once."""

import pytest

from tests.sweep.search.sweeps import BETA, KERNELS, SAMPLERS, STAGES, WIDE, Sweep, config_of, distinct, eager


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_points_come_first_and_then_new_ones(sampler: str) -> None:
    known = [
        {"patch_mix.temperature": 0.2, "patch_mix.beta": 1.0},
        {"patch_mix.temperature": 0.06, "patch_mix.beta": 0.5},
    ]
    points = Sweep(config_of(WIDE, enqueue=known, sampler=eager(sampler))).go_on(8)
    assert points[:2] == known
    assert distinct(points) == 8
    for point in points:
        assert 0.02 <= point["patch_mix.temperature"] <= 0.5
        assert 0.2 <= point["patch_mix.beta"] <= 2.0


def test_a_known_point_written_twice_is_tried_once() -> None:
    config = config_of({"patch_mix.beta": BETA}, enqueue=[{"patch_mix.beta": 1.0}, {"patch_mix.beta": 1}])
    points = Sweep(config).go_on(3)
    assert [point == {"patch_mix.beta": 1.0} for point in points] == [True, False, False]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditions_are_kept_in_every_point(sampler: str) -> None:
    search = {
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.stage": STAGES,
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": {"smoothing.stage": [1]}},
    }
    points = Sweep(config_of(search, sampler={**eager(sampler), "seed": 1})).go_on(12)
    assert {point["smoothing.stage"] for point in points} == {None, 0, 1}
    for point in points:
        assert ("smoothing.kernel_size" in point) == (point["smoothing.stage"] is not None)
        assert ("smoothing.sigma" in point) == (point["smoothing.stage"] == 1)


def test_values_come_in_the_types_of_their_fields() -> None:
    search = {
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "batch_size": {"type": "int", "low": 8, "high": 64, "log": True},
        "patch_mix.train_projector": {"type": "categorical", "choices": [True, False]},
        "optimiser.clip_norm": {"type": "categorical", "choices": [None, 1.0]},
    }
    config = config_of(search, sampler={"name": "random"})
    points = Sweep(config).go_on(30)
    assert {point["patch_mix.axes"] for point in points} == {("time",), ("time", "frequency")}
    assert {point["patch_mix.temperature"] for point in points} <= {0.1, 0.2, 0.3, 0.4, 0.5}
    assert all(type(point["batch_size"]) is int for point in points)
    assert {str(point["patch_mix.train_projector"]) for point in points} == {"True", "False"}
    assert {str(point["optimiser.clip_norm"]) for point in points} == {"None", "1.0"}
    for point in points:
        config.space.recipe(point)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_to_its_end_without_repeats(sampler: str) -> None:
    # Left alone, TPE and the Gaussian process ask for the best point of a small space again and again.
    search = {
        "smoothing.kernel_size": KERNELS,
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    }
    sweep = Sweep(config_of(search, sampler=eager(sampler)))
    points = sweep.go_on(99)
    assert sweep.search.points == len(points) == distinct(points) == 12


def test_a_search_that_is_at_its_end_proposes_nothing_however_often_it_is_asked() -> None:
    steps = {"type": "float", "low": 0.5, "high": 1.0, "step": 0.5}
    sweep = Sweep(config_of({"patch_mix.beta": steps}, sampler={"name": "qmc"}))
    assert len(sweep.go_on(9)) == 2
    assert [sweep.search.propose() for _ in range(2)] == [None, None]


def test_a_repeated_best_point_does_not_end_an_endless_search() -> None:
    # One branch is a single point, and the best one; the other is a range.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
    }
    points = Sweep(config_of(search, sampler=eager("tpe"))).go_on(12)
    assert distinct(points) == 12
    assert sum(point["smoothing.stage"] is None for point in points) == 1
