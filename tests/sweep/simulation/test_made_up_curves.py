import math
from typing import Any

import numpy as np
import pytest

from data.settings import ConfigError, parse
from sweep.config.parameters import CategoricalParameter, FloatParameter
from sweep.config.search_space import SearchSpace
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.study.score_table import METRICS

SPACE = SearchSpace(
    {
        "patch_mix.beta": FloatParameter(type="float", low=0.2, high=2.0),
        "smoothing.stage": CategoricalParameter(type="categorical", choices=(None, 1)),
        "smoothing.sigma": FloatParameter(type="float", low=1, high=4, log=True, when="smoothing.stage"),
    },
    {},
)
LINE = SearchSpace({"patch_mix.beta": FloatParameter(type="float", low=0.2, high=2.0)}, {})
BETAS = np.linspace(0.2, 2.0, 400).tolist()
STILL: dict[str, Any] = {"config_sd": 0, "tail_share": 0, "seed_sd": 0, "epoch_sd": 0}


def point(beta: float) -> dict[str, Any]:
    return {"patch_mix.beta": beta, "smoothing.stage": None}


def at(number: int) -> dict[str, Any]:
    return {"patch_mix.beta": BETAS[number]}


def made_up(simulation: int = 0, space: SearchSpace = SPACE, **world: Any) -> SyntheticCurves:
    return SyntheticCurves(WorldConfig(**world), space, simulation)


def scores(curve: np.ndarray) -> list[float]:
    return curve[:, METRICS.index("score")].tolist()


def qualities(curves: SyntheticCurves) -> np.ndarray:
    return np.array([curves.quality({"patch_mix.beta": beta}) for beta in BETAS])


def test_a_curve_rises_by_equal_parts_of_what_is_left() -> None:
    # Of what is left, half goes in each of two epochs; of all that goes, two thirds in the first.
    curves = made_up(0, LINE, **STILL, start=0.45, mean=0.54, time_constant=1 / (2 * math.log(2)))
    assert scores(curves.curve(at(0), 1, epochs=2)) == pytest.approx([0.51, 0.54])


def test_a_curve_does_not_depend_on_what_was_asked_before() -> None:
    curves = made_up()
    for beta in (0.5, 1.5):
        curves.curve(point(beta), 2, epochs=7)
    np.testing.assert_array_equal(curves.curve(point(1.0), 1, 5), made_up().curve(point(1.0), 1, 5))


def test_another_simulation_is_another_world() -> None:
    assert made_up(0).quality(point(1.0)) != made_up(1).quality(point(1.0))


def test_last_scores_scatter_over_seeds_around_the_quality_by_the_seed_deviation() -> None:
    curves = made_up(seed_sd=0.02, epoch_sd=0.015)
    last = [scores(curves.curve(point(1.0), seed, epochs=3))[-1] for seed in range(2000)]
    assert np.mean(last) == pytest.approx(curves.quality(point(1.0)), abs=0.002)
    assert np.std(last) == pytest.approx(0.02, rel=0.05)


@pytest.mark.parametrize("landscape", ["none", "smooth"])
def test_configurations_scatter_by_their_deviation(landscape: str) -> None:
    drawn = np.concatenate(
        [qualities(made_up(number, LINE, landscape=landscape, tail_share=0)) for number in range(20)]
    )
    assert np.mean(drawn) == pytest.approx(0.55, abs=0.005)
    assert np.std(drawn) == pytest.approx(0.02, rel=0.1)


@pytest.mark.parametrize("landscape", ["none", "smooth"])
def test_the_bad_tail_has_its_share_and_its_mean_depth(landscape: str) -> None:
    loss = np.concatenate(
        [
            qualities(made_up(number, LINE, landscape=landscape, tail_share=0))
            - qualities(made_up(number, LINE, landscape=landscape, tail_share=0.2, tail_depth=0.05))
            for number in range(40)
        ]
    )
    assert (loss > 0).mean() == pytest.approx(0.2, abs=0.04)
    assert loss[loss > 0].mean() == pytest.approx(0.05, abs=0.01)


def test_neighbours_score_alike_in_a_smooth_landscape_only() -> None:
    smooth, rough = (
        np.abs(np.diff(qualities(made_up(0, LINE, landscape=kind, tail_share=0))))
        for kind in ("smooth", "none")
    )
    assert smooth.max() < 0.01
    assert np.median(rough) > 0.01


def test_every_choice_and_every_field_of_a_smooth_landscape_matters() -> None:
    curves = made_up()
    points = [
        {"patch_mix.beta": beta, "smoothing.stage": 1, "smoothing.sigma": sigma}
        for beta in (0.5, 1.5)
        for sigma in (1.0, 3.0)
    ]
    assert len({curves.quality(values) for values in (*points, point(0.5), point(1.5))}) == 6


def test_the_score_is_the_mean_of_its_two_rates() -> None:
    curve = made_up().curve(point(1.0), 1, epochs=4)
    sensitivity, specificity = (curve[:, METRICS.index(name)] for name in ("sensitivity", "specificity"))
    np.testing.assert_allclose((sensitivity + specificity) / 2, scores(curve))
    assert (specificity > sensitivity).all()


def test_slow_learners_can_end_better() -> None:
    curves = made_up(0, LINE, seed_sd=0, epoch_sd=0, tail_share=0, time_constant_sd=0.5, slow_is_better=1)
    order = qualities(curves).argsort()
    gone = []
    for worst_or_best in (order[0], order[-1]):
        first, *_, last = scores(curves.curve(at(int(worst_or_best)), 1, epochs=10))
        gone.append((first - 0.45) / (last - 0.45))
    assert gone[0] > gone[1]


def test_seeds_that_scatter_less_than_their_epochs_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"world: epoch_sd 0\.02 is a part of seed_sd, which is only 0\.01"):
        parse(WorldConfig, {"seed_sd": 0.01, "epoch_sd": 0.02}, "world")


@pytest.mark.parametrize(
    "field", ["config_sd", "tail_depth", "seed_sd", "epoch_sd", "time_constant_sd", "epoch_seconds_sd"]
)
def test_deviations_beyond_every_score_are_refused(field: str) -> None:
    with pytest.raises(ConfigError, match=rf"world: {field}: must be less than or equal to"):
        parse(WorldConfig, {field: 1e300}, "world")
