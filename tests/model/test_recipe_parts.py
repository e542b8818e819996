from typing import Any

import pytest
from pydantic import ValidationError

from data.settings import ConfigError, parse
from model.recipe_parts import BackboneConfig, PatchMixConfig, SmoothingConfig, check_input, check_smoothing


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "ast", "variant": "medium"}, "ast has no variant medium; it has tiny, base"),
        ({"variant": "base"}, "dass has no variant base; it has tiny, small, medium"),
        ({"name": "ast", "variant": "base", "drop_path_rate": 0.1}, "ast has no drop path"),
        (
            {"name": "ast", "variant": "base", "scan_engine": "numba"},
            "ast scans nothing, so scan_engine must be auto",
        ),
        (
            {"name": "cnn_tsa", "variant": "medium"},
            "cnn_tsa has no variant medium; it has tiny, three_blocks, four_blocks",
        ),
        (
            {"name": "cnn_tsa", "variant": "tiny", "drop_path_rate": 0.1},
            "cnn_tsa has no drop path, so drop_path_rate must be null, got 0.1",
        ),
        (
            {"name": "cnn_tsa", "variant": "tiny", "scan_engine": "numba"},
            "cnn_tsa scans nothing, so scan_engine must be auto, got numba",
        ),
        (
            {"name": "ast", "variant": "base", "attention": "post"},
            "ast has no place for it to choose, so attention must be null, got post",
        ),
        ({"dropout": 0.2}, "dass has none, so dropout must be null, got 0.2"),
        (
            {"name": "cnn_tsa", "variant": "three_blocks", "attention": "block4"},
            "attention: cnn_tsa three_blocks has block1 to block3, got block4",
        ),
        (
            {"name": "ast", "variant": "base", "stem": "layer_norm"},
            "ast has one stem, so stem must be null, got layer_norm",
        ),
        (
            {"name": "cnn_tsa", "variant": "tiny", "pooling": "mean_max"},
            "cnn_tsa pools in a way of its own, so pooling must be mean, got mean_max",
        ),
        (
            {"name": "ast", "variant": "tiny", "pooling": "mean_max"},
            "pooling: ast has mean, token_mean, got mean_max",
        ),
        ({"pooling": "token_mean"}, "pooling: dass has mean, mean_max, got token_mean"),
        (
            {"position_layout": "swapped"},
            "dass has no position table, so position_layout must be correct, got swapped",
        ),
        ({"name": "beats", "variant": "medium"}, "beats has no variant medium; it has tiny, base"),
        (
            {"name": "beats", "variant": "tiny", "position_layout": "swapped"},
            "beats has no position table, so position_layout must be correct, got swapped",
        ),
        (
            {"name": "beats", "variant": "tiny", "pooling": "token_mean"},
            "beats pools in a way of its own, so pooling must be mean, got token_mean",
        ),
        (
            {"name": "beats", "variant": "tiny", "drop_path_rate": 0.1},
            "beats has no drop path, so drop_path_rate must be null, got 0.1",
        ),
        ({"varient": "tiny"}, "varient: no such field; did you mean variant?"),
    ],
)
def test_a_backbone_that_does_not_exist_is_refused(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(BackboneConfig, settings, "recipe.yaml")
    assert said in str(caught.value)


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_a_drop_path_rate_is_a_share_below_one(rate: float) -> None:
    with pytest.raises(ValidationError):
        BackboneConfig(drop_path_rate=rate)


def test_smoothing_wants_a_stage_that_the_backbone_has() -> None:
    check_smoothing(BackboneConfig(variant="tiny"), SmoothingConfig(stage=3))
    with pytest.raises(ConfigError, match=r"smoothing\.stage: dass tiny has stages 0 to 3, got 4"):
        check_smoothing(BackboneConfig(variant="tiny"), SmoothingConfig(stage=4))


@pytest.mark.parametrize("name", ["cnn_tsa", "beats"])
def test_a_network_without_stages_is_not_smoothed(name: str) -> None:
    backbone = BackboneConfig(name=name, variant="tiny")
    check_smoothing(backbone, SmoothingConfig(stage=None))
    with pytest.raises(
        ConfigError, match=rf"smoothing\.stage: {name} has no stages, so it must be null, got 2"
    ):
        check_smoothing(backbone, SmoothingConfig())


@pytest.mark.parametrize(
    ("name", "variant", "least"),
    [
        ("dass", "tiny", 4),
        ("ast", "tiny", 16),
        ("beats", "tiny", 16),
        ("cnn_tsa", "three_blocks", 8),
        ("cnn_tsa", "four_blocks", 16),
    ],
)
def test_a_network_wants_a_least_number_of_frames_and_mel_bands(name: Any, variant: Any, least: int) -> None:
    backbone = BackboneConfig(name=name, variant=variant)
    check_input(backbone, least, least)
    for frames, mels in ((least - 1, 128), (128, least - 1)):
        said = rf"features: {name} {variant} needs at least {least} frames .*, got {frames} and {mels}"
        with pytest.raises(ConfigError, match=said):
            check_input(backbone, frames, mels)


def test_a_kernel_of_even_size_is_refused() -> None:
    with pytest.raises(ConfigError, match="kernel_size: must be odd to have a centre, got 4"):
        parse(SmoothingConfig, {"kernel_size": 4}, "best.yaml")


@pytest.mark.parametrize(
    "setting",
    [{"sigma": 0}, {"stage": -1}, {"blocks": (-1,)}, {"hook": "input"}, {"padding": "wrap"}, {"k": 5}],
)
def test_smoothing_that_makes_no_sense_is_refused(setting: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SmoothingConfig.model_validate(setting)


@pytest.mark.parametrize(
    ("blocks", "depth", "smoothed"),
    [
        ((2, 3), 20, [2, 3]),
        ((2, 3), 3, [2]),  # the block that the stage lacks is passed over
        ((2, 3), 2, [0, 1]),  # none is left
        (None, 2, [0, 1]),
        ((), 2, [0, 1]),
    ],
)
def test_which_blocks_of_a_stage_are_smoothed(
    blocks: tuple[int, ...] | None, depth: int, smoothed: list[int]
) -> None:
    config = SmoothingConfig(stage=1, blocks=blocks)
    assert [block for block in range(depth) if config.smooths(1, block, depth)] == smoothed
    assert not any(config.smooths(2, block, depth) for block in range(depth))


@pytest.mark.parametrize(
    ("name", "size"), [("dass", "medium"), ("ast", "base"), ("cnn_tsa", "four_blocks"), ("beats", "base")]
)
def test_a_network_has_the_size_of_its_paper_unless_another_is_named(name: str, size: str) -> None:
    assert BackboneConfig(name=name).size == size
    assert BackboneConfig.model_validate({"name": name, "variant": None}).size == size
    assert BackboneConfig.model_validate({"name": name, "variant": "tiny"}).size == "tiny"


def test_several_stages_are_smoothed_at_once() -> None:
    config = SmoothingConfig(stage=(0, 2))
    smoothed = [(stage, block) for stage in range(4) for block in range(4) if config.smooths(stage, block, 4)]
    assert smoothed == [(0, 2), (0, 3), (2, 2), (2, 3)]
    check_smoothing(BackboneConfig(variant="tiny"), config)
    with pytest.raises(ConfigError, match=r"dass tiny has stages 0 to 3, got 1, 4"):
        check_smoothing(BackboneConfig(variant="tiny"), SmoothingConfig(stage=(1, 4)))
    for stages in ([2], [2, 1], [1, 1], []):
        with pytest.raises(ConfigError, match=r"stage: a list must hold two stages or more"):
            parse(SmoothingConfig, {"stage": stages}, "best.yaml")


def test_no_stage_means_no_smoothing() -> None:
    assert not SmoothingConfig(stage=None).smooths(2, 2, 8)


def test_each_axis_has_its_weight() -> None:
    config = PatchMixConfig(weight_time=0.25, weight_frequency=0.5, weight_cells=2)
    assert [config.weight(axis) for axis in ("time", "frequency", "cells")] == [0.25, 0.5, 2]


@pytest.mark.parametrize("wrong", [{"axes": ["time", "time"]}, {"axes": ["mel"]}, {"temperature": 0}])
def test_patch_mix_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        PatchMixConfig(**wrong)


@pytest.mark.parametrize("pretrained", ["", "  "])
def test_weights_without_a_name_are_refused(pretrained: str) -> None:
    with pytest.raises(ValidationError, match="must name a file or a hub id, or be null for random weights"):
        BackboneConfig(pretrained=pretrained)
