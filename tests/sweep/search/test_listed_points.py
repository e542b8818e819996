"""Samplers that go through a list of points."""

from tests.sweep.search.sweeps import KERNELS, STAGES, Sweep, config_of, distinct

GRID = {
    "smoothing.stage": STAGES,
    "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
    "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1},
}


def test_a_grid_counts_its_points_goes_through_each_once_and_ends() -> None:
    config = config_of(GRID, sampler={"name": "grid"})
    sweep = Sweep(config)
    assert sweep.search.points == (1 + 2 * 3) * 3
    assert sweep.go_on(99) == config.space.grid_points()


def test_a_grid_takes_up_known_points_without_repeating_them() -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    known = {"patch_mix.axes": ["time", "frequency"], "smoothing.kernel_size": 7}
    search = {"patch_mix.axes": axes, "smoothing.kernel_size": KERNELS}
    points = Sweep(config_of(search, sampler={"name": "grid"}, enqueue=[known])).go_on(99)
    assert points[0] == {"patch_mix.axes": ("time", "frequency"), "smoothing.kernel_size": 7}
    assert len(points) == distinct(points) == 6


def test_one_at_a_time_goes_through_each_field_once_and_ends() -> None:
    search = {
        "patch_mix.temperature": {"type": "categorical", "choices": [0.1, 0.2, 0.3]},
        "smoothing.kernel_size": KERNELS,
    }
    points = Sweep(config_of(search, sampler={"name": "one_at_a_time"})).go_on(99)
    assert [tuple(point.values()) for point in points] == [(0.2, 5), (0.1, 5), (0.3, 5), (0.2, 3), (0.2, 7)]
