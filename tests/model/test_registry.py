from typing import Any

import pytest
import torch

from data.settings import ConfigError
from model.ast import AST
from model.backbone import Backbone
from model.batch_norm import holds_batch_norm
from model.beats import BEATs
from model.cnn_tsa import CNNTSA
from model.dass import DASS
from model.dass_stem import stem_of
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.ss2d import SS2D
from model.variants import BEATS_VARIANTS

PLAIN = SmoothingConfig(stage=None)


@pytest.mark.parametrize(
    ("name", "kind"), [("dass", DASS), ("ast", AST), ("cnn_tsa", CNNTSA), ("beats", BEATs)]
)
def test_each_backbone_gives_logits_features_and_a_grid_to_mix_on(name: Any, kind: type) -> None:
    backbone = build_backbone(BackboneConfig(name=name, variant="tiny"), PLAIN, 4, (64, 32))
    assert isinstance(backbone, kind)
    assert isinstance(backbone, Backbone)
    backbone.eval()
    x = torch.randn(2, 64, 32)
    grid = backbone.stem(x)
    features = backbone.forward_grid(grid)
    assert features.shape == (2, backbone.feature_dim)
    assert tuple(grid.shape[2:]) == backbone.grid(64, 32)
    torch.testing.assert_close(backbone.classify(features), backbone(x))
    assert backbone(x).shape == (2, 4)


def test_the_default_is_the_papers_dass_medium() -> None:
    backbone = build_backbone(BackboneConfig(), PLAIN, 4, (1024, 128))
    assert sum(parameter.numel() for parameter in backbone.parameters()) == 48_246_052


@pytest.mark.parametrize(
    ("variant", "named", "built"),
    [
        ("tiny", None, "conv_blocks"),
        ("small", None, "layer_norm"),
        ("medium", None, "layer_norm"),
        ("tiny", "layer_norm", "layer_norm"),
        ("small", "batch_norm", "batch_norm"),
        ("small", "conv_blocks", "conv_blocks"),
    ],
)
def test_the_stem_is_that_of_the_recipe_or_else_of_the_variant(variant: Any, named: Any, built: str) -> None:
    with torch.device("meta"):
        backbone = build_backbone(BackboneConfig(variant=variant, stem=named), PLAIN, 4, (64, 32))
    assert stem_of(backbone.state_dict()) == built
    assert holds_batch_norm(backbone.stem_layers) == (built != "layer_norm")
    assert not holds_batch_norm(backbone, outside=backbone.stem_layers)


def test_an_ast_has_the_head_and_the_positions_that_its_recipe_asks_for() -> None:
    tiny = BackboneConfig(name="ast", variant="tiny")
    plain = build_backbone(tiny, PLAIN, 4, (64, 32))
    changes = {"pooling": "token_mean", "dropout": 0.3, "position_layout": "swapped"}
    asked = build_backbone(tiny.model_copy(update=changes), PLAIN, 4, (64, 32))
    assert isinstance(plain, AST)
    assert isinstance(asked, AST)
    assert (plain.pooling, plain.dropout.p, asked.pooling, asked.dropout.p) == (
        "mean",
        0.0,
        "token_mean",
        0.3,
    )


def test_a_beats_has_the_size_and_the_dropout_that_its_recipe_asks_for() -> None:
    tiny = BackboneConfig(name="beats", variant="tiny")
    plain = build_backbone(tiny, PLAIN, 4, (64, 32))
    asked = build_backbone(tiny.model_copy(update={"dropout": 0.3}), PLAIN, 4, (64, 32))
    assert isinstance(plain, BEATs)
    assert isinstance(asked, BEATs)
    assert (plain.size, plain.dropout.p, asked.dropout.p) == (BEATS_VARIANTS["tiny"], 0.0, 0.3)


def test_a_backbone_pools_as_its_recipe_says() -> None:
    plain, mean_max = (
        build_backbone(BackboneConfig(variant="tiny", pooling=pooling), PLAIN, 4, (64, 32))
        for pooling in ("mean", "mean_max")
    )
    assert isinstance(plain, DASS)
    assert isinstance(mean_max, DASS)
    assert (plain.pooling, mean_max.pooling) == ("mean", "mean_max")


def test_a_stage_that_the_backbone_lacks_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"smoothing\.stage: ast has no stages, so it must be null, got 2"):
        build_backbone(BackboneConfig(name="ast", variant="tiny"), SmoothingConfig(stage=2), 4, (64, 32))


def test_an_input_too_small_for_a_backbone_is_refused_when_it_is_built() -> None:
    with pytest.raises(
        ConfigError, match="features: ast tiny needs at least 16 frames and 16 mel bands, got 8 and 128"
    ):
        build_backbone(BackboneConfig(name="ast", variant="tiny"), PLAIN, 4, (8, 128))


def test_every_block_scans_with_the_engine_of_the_recipe() -> None:
    backbone = build_backbone(BackboneConfig(variant="tiny", scan_engine="reference"), PLAIN, 4, (64, 32))
    engines = [layer.scan_engine for layer in backbone.modules() if isinstance(layer, SS2D)]
    assert engines == ["reference"] * 5


def test_attention_and_dropout_of_a_cnn_tsa_are_those_of_the_recipe_or_the_variants_own() -> None:
    config = BackboneConfig(name="cnn_tsa", variant="three_blocks")
    own = build_backbone(config, PLAIN, 4, (64, 32))
    other = build_backbone(
        config.model_copy(update={"attention": "block2", "dropout": 0.4}), PLAIN, 7, (64, 32)
    )
    assert isinstance(own, CNNTSA)
    assert isinstance(other, CNNTSA)
    assert (own.place, own.dropout.p, own.channels) == ("post", 0.2, (64, 128, 256))
    assert (other.place, other.dropout.p) == ("block2", 0.4)


@pytest.mark.parametrize(("variant", "least"), [("four_blocks", 16), ("three_blocks", 8)])
def test_fewer_bands_than_a_cnn_tsa_can_halve_are_refused(variant: Any, least: int) -> None:
    config = BackboneConfig(name="cnn_tsa", variant=variant)
    said = rf"features: cnn_tsa {variant} needs at least {least} frames .*, got 64 and {least - 1}"
    with pytest.raises(ConfigError, match=said):
        build_backbone(config, PLAIN, 4, (64, least - 1))
    build_backbone(config, PLAIN, 4, (64, least))
    with pytest.raises(ConfigError, match=rf"got {least - 1} and 64"):
        build_backbone(config, PLAIN, 4, (least - 1, 64))
