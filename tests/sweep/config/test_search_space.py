import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.settings import ConfigError
from sweep.config.parameters import AnyParameter, Value
from tests.sweep.config.spaces import KERNELS, STAGES, TINY, space_of

CONDITIONAL = {
    # Written before the field that it waits for, on purpose.
    "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
    "smoothing.kernel_size": {**KERNELS, "when": {"smoothing.stage": [1]}},
    "smoothing.stage": STAGES,
    "patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0},
}


def test_a_field_comes_after_those_it_waits_for() -> None:
    order = space_of(CONDITIONAL).order()
    assert sorted(order) == sorted(CONDITIONAL)
    assert order.index("smoothing.stage") < order.index("smoothing.sigma")
    assert order.index("smoothing.stage") < order.index("smoothing.kernel_size")


@settings(deadline=None)
@given(data=st.data())
def test_a_point_holds_exactly_the_fields_whose_conditions_hold(data: st.DataObject) -> None:
    asked: list[str] = []

    def draw(path: str, parameter: AnyParameter) -> Value:
        asked.append(path)
        return data.draw(st.sampled_from(parameter.probes()))

    point = space_of(CONDITIONAL).sample(draw)
    stage = point["smoothing.stage"]
    assert ("smoothing.sigma" in point) == (stage is not None)
    assert ("smoothing.kernel_size" in point) == (stage == 1)
    assert asked == list(point)
    assert "patch_mix.beta" in point


def test_a_condition_on_a_field_that_is_not_varied_now_does_not_hold() -> None:
    chain = {
        "smoothing.stage": STAGES,
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": {"smoothing.kernel_size": [5]}},
    }
    unsmoothed = {"smoothing.stage": None, "smoothing.kernel_size": 5, "smoothing.sigma": 1.0}
    assert space_of(chain).active(unsmoothed) == {"smoothing.stage": None}


def test_a_condition_may_wait_for_a_list() -> None:
    both = ("time", "frequency")
    space = space_of(
        {
            "patch_mix.axes": {"type": "categorical", "choices": [["time"], list(both)]},
            "patch_mix.weight_frequency": {
                "type": "float",
                "low": 0.5,
                "high": 1.0,
                "when": {"patch_mix.axes": [list(both)]},
            },
        }
    )
    assert (
        space.active({"patch_mix.axes": both, "patch_mix.weight_frequency": 0.5}).keys()
        == space.parameters.keys()
    )
    assert list(space.active({"patch_mix.axes": ("time",)})) == ["patch_mix.axes"]


def test_a_point_becomes_a_recipe_over_the_fixed_fields() -> None:
    space = space_of(
        {"smoothing.stage": STAGES, "patch_mix.axes": {"type": "categorical", "choices": [["time"]]}}
    )
    recipe = space.recipe({"smoothing.stage": None, "patch_mix.axes": ("time",)})
    assert recipe.backbone.variant == "tiny"
    assert recipe.smoothing.stage is None
    assert recipe.patch_mix.axes == ("time",)
    assert space.fixed == TINY


def test_a_grid_leaves_out_what_a_condition_rules_out() -> None:
    points = space_of(
        {"smoothing.stage": STAGES, "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"}}
    ).grid_points()
    assert points == [
        {"smoothing.stage": None},
        {"smoothing.stage": 0, "smoothing.kernel_size": 3},
        {"smoothing.stage": 0, "smoothing.kernel_size": 5},
        {"smoothing.stage": 1, "smoothing.kernel_size": 3},
        {"smoothing.stage": 1, "smoothing.kernel_size": 5},
    ]


def test_one_at_a_time_moves_one_field_from_the_fixed_recipe() -> None:
    fixed = {"patch_mix": {"temperature": 0.1}, "smoothing": {"kernel_size": 3}}
    temperatures = {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1}
    points = space_of(
        {"patch_mix.temperature": temperatures, "smoothing.kernel_size": KERNELS}, fixed
    ).axis_points()
    assert points == [
        {"patch_mix.temperature": 0.1, "smoothing.kernel_size": 3},
        {"patch_mix.temperature": 0.2, "smoothing.kernel_size": 3},
        {"patch_mix.temperature": 0.3, "smoothing.kernel_size": 3},
        {"patch_mix.temperature": 0.1, "smoothing.kernel_size": 5},
    ]


def test_one_at_a_time_needs_the_recipes_own_value_among_those_searched() -> None:
    temperatures = {"type": "categorical", "choices": [0.1, 0.3]}
    with pytest.raises(ConfigError, match=r"search\.patch_mix\.temperature: .*starts from the recipe's 0\.2"):
        space_of({"patch_mix.temperature": temperatures}).axis_points()


def test_a_continuous_range_has_no_grid() -> None:
    space = space_of({"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}})
    for points in (space.grid_points, space.axis_points):
        with pytest.raises(ConfigError, match=r"search\.patch_mix\.beta: a grid needs a step or a list"):
            points()


def test_stem_pooling_loss_mixup_and_warm_up_can_be_searched() -> None:
    space = space_of(
        {
            "backbone.stem": {"type": "categorical", "choices": [None, "layer_norm", "conv_blocks"]},
            "backbone.pooling": {"type": "categorical", "choices": ["mean", "mean_max"]},
            "loss.class_weights": {"type": "categorical", "choices": ["none", "inverse_frequency"]},
            "loss.class_weight_power": {
                "type": "float",
                "low": 0.0,
                "high": 1.0,
                "when": {"loss.class_weights": ["inverse_frequency"]},
            },
            "loss.logit_adjustment": {"type": "float", "low": 0.0, "high": 1.5},
            "loss.focal_gamma": {"type": "categorical", "choices": [0.0, 2.0]},
            "mixup.alpha": {"type": "float", "low": 0.0, "high": 1.0},
            "optimiser.warmup_epochs": {"type": "int", "low": 0, "high": 3},
        },
        TINY,
    )
    recipe = space.recipe(
        {
            "backbone.stem": "conv_blocks",
            "backbone.pooling": "mean_max",
            "loss.class_weights": "inverse_frequency",
            "loss.class_weight_power": 0.5,
            "loss.logit_adjustment": 0.7,
            "loss.focal_gamma": 2.0,
            "mixup.alpha": 0.3,
            "optimiser.warmup_epochs": 2,
        }
    )
    assert (recipe.backbone.stem, recipe.backbone.pooling) == ("conv_blocks", "mean_max")
    loss = recipe.loss
    assert (loss.class_weight_power, loss.logit_adjustment, loss.focal_gamma) == (0.5, 0.7, 2.0)
    assert (recipe.mixup.alpha, recipe.optimiser.warmup_epochs) == (0.3, 2)


def test_a_grid_that_cannot_be_gone_through_is_refused_before_it_is_written_out() -> None:
    space = space_of(
        {
            "epochs": {"type": "int", "low": 1, "high": 10_000},
            "batch_size": {"type": "int", "low": 2, "high": 10_000},
        }
    )
    with pytest.raises(ConfigError, match=r"search\.batch_size: makes a grid of 99,990,000 points or more"):
        space.grid_points()
    with pytest.raises(ConfigError, match=r"makes a grid of .* points or more"):
        space.axis_points()


def test_conditions_count_in_the_length_of_a_grid() -> None:
    space = space_of(
        {
            "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
            "epochs": {"type": "int", "low": 1, "high": 9_000, "when": "smoothing.stage"},
        }
    )
    assert len(space.grid_points()) == 9_001


def test_settings_of_an_own_network_are_searched_by_names_that_only_it_knows() -> None:
    own = {"backbone": {"name": "a:B", "config": {"layers": 2}}, "smoothing": {"stage": None}}
    width = {"backbone.config.width": {"type": "categorical", "choices": [8, 16]}}
    space = space_of(width, own)
    assert space.recipe({"backbone.config.width": 8}).backbone.config == {"layers": 2, "width": 8}
    assert [point["backbone.config.width"] for point in space.grid_points()] == [8, 16]
    with pytest.raises(ConfigError, match="one at a time starts from the recipe's null"):
        space.axis_points()
    with pytest.raises(ConfigError, match=r"config is for networks of your own, .* got \{'width': 8\}"):
        space_of(width)


def test_each_own_network_that_a_search_may_come_to_has_a_recipe_with_searched_values() -> None:
    plain = {"smoothing": {"stage": None}}
    width = {"backbone.config.width": {"type": "categorical", "choices": [8, 16]}}
    (one,) = space_of(width, {"backbone": {"name": "a:B"}, **plain}).own_networks()
    assert one.backbone.config == {"width": 8}
    names = {"backbone.name": {"type": "categorical", "choices": ["a:A", "b:B"]}}
    several = space_of(names, {"backbone": {"name": "a:A"}, **plain}).own_networks()
    assert [recipe.backbone.name for recipe in several] == ["a:A", "b:B"]
    assert space_of(CONDITIONAL).own_networks() == []


def test_a_recipe_for_each_value_of_a_field_is_one_whose_conditions_hold() -> None:
    search = {
        "device_contrast.weight": {"type": "categorical", "choices": [0.0, 1.0]},
        "device_contrast.temperature": {
            **{"type": "float", "low": 0.05, "high": 0.5},
            "when": {"device_contrast.weight": [1.0]},
        },
    }
    space = space_of(search)
    weights = space.recipes_over("device_contrast.weight")
    assert [recipe.device_contrast.weight for recipe in weights] == [0.0, 1.0]
    ends = [recipe.device_contrast for recipe in space.recipes_over("device_contrast.temperature")]
    assert [(one.weight, one.temperature) for one in ends] == [(1.0, 0.05), (1.0, 0.5)]
    assert space.recipes_over("epochs") == space.recipes_over("device_contrast.weight", "epochs") == []
    # A weight of 0 has no temperature.
    both = [one.device_contrast for one in space.recipes_over(*search)]
    assert [(one.weight, one.temperature) for one in both] == [(1.0, 0.05), (1.0, 0.5)]


def test_combinations_that_contradict_each_other_are_left_out_of_recipes() -> None:
    search = {
        "mixup.alpha": {"type": "categorical", "choices": [0.0, 0.4]},
        "device_contrast.weight": {"type": "categorical", "choices": [0.0, 1.0]},
    }
    found = space_of(search, {"patch_mix": {"axes": []}}).recipes_over(*search)
    assert [(one.mixup.alpha, one.device_contrast.weight) for one in found] == [
        (0.0, 0.0),
        (0.0, 1.0),
        (0.4, 0.0),
    ]
