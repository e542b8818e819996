"""A tiny BEATs of our own, saved as published ones are, and loaded again."""

from pathlib import Path
from typing import Any

import pytest
import torch

from model.beats import BEATs
from model.pretrained import load_pretrained
from model.variants import BEATS_VARIANTS
from model.weights_file import PretrainedError
from tests.model.weights import Weights

TINY = BEATS_VARIANTS["tiny"]
TABLE = "self_attn.relative_attention_bias.weight"
SETTINGS: dict[str, Any] = {
    "input_patch_size": 16,
    "embed_dim": 32,
    "encoder_layers": 2,
    "encoder_embed_dim": 48,
    "encoder_ffn_embed_dim": 192,
    "encoder_attention_heads": 3,
    "deep_norm": True,
    "conv_pos": 16,
    "conv_pos_groups": 4,
    "relative_position_embedding": True,
    "num_buckets": 32,
    "max_distance": 80,
    "gru_rel_pos": True,
    "dropout": 0.1,
}


@pytest.fixture
def trained() -> BEATs:
    torch.manual_seed(0)
    model = BEATs(TINY, num_classes=527).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def as_published(model: BEATs, *, predictor: bool, parametrized: bool = False) -> Weights:
    """The tensors of a model under the names of a published file, where each layer names the one table of positions."""
    weights = model.state_dict()
    published = {key: value for key, value in weights.items() if predictor or not key.startswith("predictor")}
    published[f"encoder.layers.1.{TABLE}"] = weights[f"encoder.layers.0.{TABLE}"]
    if parametrized:
        for name, number in (("weight_g", 0), ("weight_v", 1)):
            tensor = published.pop(f"encoder.pos_conv.0.{name}")
            published[f"encoder.pos_conv.0.parametrizations.weight.original{number}"] = tensor
    return published


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("parametrized", [False, True])
def test_a_published_file_gives_the_features_of_its_network(
    trained: BEATs, tmp_path: Path, predictor: bool, parametrized: bool
) -> None:
    content = {
        "cfg": SETTINGS,
        "model": as_published(trained, predictor=predictor, parametrized=parametrized),
    }
    torch.save(content, tmp_path / "beats.pt")
    model = BEATs(TINY, num_classes=4).eval()
    report = load_pretrained(model, str(tmp_path / "beats.pt"))
    assert report.layout == "beats"
    assert sorted(report.dropped) == (["predictor.bias", "predictor.weight"] if predictor else [])
    assert report.loaded == len(model.state_dict()) - 2
    x = torch.randn(2, 64, 32)
    assert torch.equal(model.forward_grid(model.stem(x)), trained.forward_grid(trained.stem(x)))
    assert model(x).shape == (2, 4)


def test_a_published_file_of_527_classes_answers_as_its_network_with_its_head(
    trained: BEATs, tmp_path: Path
) -> None:
    torch.save({"cfg": SETTINGS, "model": as_published(trained, predictor=True)}, tmp_path / "beats.pt")
    model = BEATs(TINY, num_classes=527).eval()
    load_pretrained(model, str(tmp_path / "beats.pt"), head=True)
    x = torch.randn(2, 64, 32)
    assert torch.equal(model(x), trained(x))


def test_a_file_of_another_network_is_refused_though_its_shapes_fit(trained: BEATs, tmp_path: Path) -> None:
    content = {"cfg": {**SETTINGS, "max_distance": 1280}, "model": as_published(trained, predictor=False)}
    torch.save(content, tmp_path / "beats.pt")
    model = BEATs(TINY)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(
        PretrainedError, match="cfg: not the settings of beats tiny: max_distance 1280, not 80"
    ):
        load_pretrained(model, str(tmp_path / "beats.pt"))
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_a_second_table_of_positions_that_is_no_copy_is_refused(trained: BEATs, tmp_path: Path) -> None:
    published = as_published(trained, predictor=False)
    published[f"encoder.layers.1.{TABLE}"] = published[f"encoder.layers.0.{TABLE}"] + 1
    torch.save({"cfg": SETTINGS, "model": published}, tmp_path / "beats.pt")
    with pytest.raises(PretrainedError) as caught:
        load_pretrained(BEATs(TINY), str(tmp_path / "beats.pt"))
    assert caught.value.unexpected == (f"encoder.layers.1.{TABLE}",)


def test_missing_and_misshaped_weights_are_named(trained: BEATs, tmp_path: Path) -> None:
    published = as_published(trained, predictor=False)
    del published["encoder.layers.1.fc1.bias"]
    published["encoder.layer_norm.bias"] = torch.zeros(47)
    torch.save({"cfg": SETTINGS, "model": published}, tmp_path / "beats.pt")
    with pytest.raises(PretrainedError) as caught:
        load_pretrained(BEATs(TINY), str(tmp_path / "beats.pt"))
    assert caught.value.missing == ("encoder.layers.1.fc1.bias",)
    assert caught.value.misshaped == ("encoder.layer_norm.bias (47,), not (48,)",)
