"""What a frozen encoder is refused with, and why."""

from typing import Any

import pytest

from data.settings import ConfigError, parse
from model.training.recipe import Recipe

FROZEN: dict[str, Any] = {
    "backbone": {"name": "cnn_tsa", "variant": "tiny", "pretrained": "encoder.pt"},
    "frozen": {"encoder": True},
    "smoothing": {"stage": None},
    "patch_mix": {"axes": []},
    "augment": {"probability": 0},
}


def test_a_head_with_any_loss_sampler_and_optimiser_goes_on_a_frozen_encoder() -> None:
    recipe = parse(
        Recipe,
        {
            **FROZEN,
            "frozen": {"encoder": True, "hidden": 32, "dropout": 0.5},
            "mixup": {"alpha": 0.2},
            "loss": {"focal_gamma": 2, "logit_adjustment": 1},
            "optimiser": {"sam_rho": 0.05},
        },
        "test",
    )
    assert recipe.frozen.hidden == 32


def test_without_a_frozen_encoder_recipes_are_as_before() -> None:
    assert not parse(Recipe, {}, "test").frozen.encoder


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"backbone": {"name": "cnn_tsa", "variant": "tiny"}}, "backbone.pretrained must name a checkpoint"),
        (
            {"backbone": {"name": "tests.own_parts:Pooled"}},
            "is a network of your own, which has no pretrained weights to keep",
        ),
        (
            {"backbone": {**FROZEN["backbone"], "dropout": 0.1}},
            "backbone.dropout: a frozen encoder drops nothing, so it must be null, got 0.1",
        ),
        (
            {"backbone": {"variant": "tiny", "pretrained": "x.pt", "drop_path_rate": 0.1}},
            "backbone.drop_path_rate: a frozen encoder drops nothing",
        ),
        ({"patch_mix": {"axes": ["time"]}}, "so axes must be empty, got time"),
        ({"augment": {}}, "augment.probability: a frozen encoder hears each cycle once, as it is"),
        (
            {"waveform_augment": {"gain": 0.1}, "features": {"norm": "audioset"}},
            "gain and noise must be 0, got 0.1 and 0",
        ),
        (
            {"frozen": {"hidden": 8}},
            "belongs to the head on a frozen encoder, so it must be 0 unless frozen.encoder is true, got 8",
        ),
        ({"frozen": {"dropout": 0.5}}, "unless frozen.encoder is true, got 0.5"),
    ],
)
def test_what_has_no_effect_on_a_frozen_encoder_is_refused_with_the_reason(
    changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(Recipe, {**FROZEN, **changes}, "test")
    assert said in str(refused.value)


def test_masks_without_width_are_no_augmentation() -> None:
    parse(Recipe, {**FROZEN, "augment": {"time_masks": 0, "frequency_width": 1}}, "test")
