"""The stems of DASS: the published one is held by the golden numbers of `test_dass.py`, the others here."""

from typing import get_args

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.ast import AST
from model.batch_norm import ChannelsLastBatchNorm
from model.dass_stem import ConvStem, StridedStem, build_stem, stem_of
from model.layer_norm import CastingLayerNorm
from model.variants import Stem


def strided(stem: Stem) -> StridedStem:
    built = build_stem(stem, 16, 32)
    assert isinstance(built, StridedStem)
    return built


def test_a_batch_norm_takes_the_place_of_each_layer_norm_under_the_same_keys() -> None:
    layer, batch = strided("layer_norm"), strided("batch_norm")
    norms = {
        stem: [type(part) for part in stem if isinstance(part, nn.LayerNorm | nn.BatchNorm2d)]
        for stem in (layer, batch)
    }
    assert norms == {layer: [CastingLayerNorm] * 2, batch: [ChannelsLastBatchNorm] * 2}
    added = [key for key in batch.state_dict() if key not in layer.state_dict()]
    assert layer.state_dict().keys() < batch.state_dict().keys()
    assert all(key.startswith(("2.", "7.")) for key in added)


def test_batch_norms_tell_a_loud_cycle_from_a_quiet_one() -> None:
    x = torch.randn(2, 1, 32, 32)
    x[1] = x[0] * 4
    quiet, loud = {}, {}
    for stem in ("layer_norm", "batch_norm"):
        first_norm = nn.Sequential(*strided(stem))[:3]
        quiet[stem], loud[stem] = first_norm(x).square().mean((1, 2, 3))
    assert loud["layer_norm"] < 1.2 * quiet["layer_norm"]
    assert loud["batch_norm"] > 3 * quiet["batch_norm"]


def test_convolutional_blocks_are_the_beginning_of_cnn6() -> None:
    stem = ConvStem(16, mels=32).eval()
    for module in stem.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
    x, weights = torch.randn(2, 1, 32, 50), stem.state_dict()

    def norm(x: Tensor, name: str) -> Tensor:
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(weights[f"{name}.{part}"] for part in parts))

    maps = norm(x[:, 0], "bn0")[:, None]
    for block in ("conv_block1", "conv_block2"):
        maps = functional.conv2d(maps, weights[f"{block}.conv1.weight"], padding=2)
        maps = functional.avg_pool2d(norm(maps, f"{block}.bn1").clamp(min=0), 2)
    torch.testing.assert_close(stem(x), maps.permute(0, 2, 3, 1))
    assert stem(x).shape == (2, *stem.grid(50, 32), 16) == (2, 8, 12, 16)


def test_convolutional_blocks_fit_the_mel_bands_that_they_were_built_for() -> None:
    with pytest.raises(ValueError, match=r"this DASS was built for 32 mel bands, got 64"):
        ConvStem(16, mels=32).grid(16, 64)


@pytest.mark.parametrize("stem", get_args(Stem))
def test_a_stem_is_told_from_the_names_of_its_weights(stem: Stem) -> None:
    assert stem_of(f"patch_embed.{key}" for key in build_stem(stem, 16, 32).state_dict()) == stem


def test_another_network_has_none_of_the_stems() -> None:
    assert stem_of(AST(16, 1, 1, 16, 4).state_dict()) is None
