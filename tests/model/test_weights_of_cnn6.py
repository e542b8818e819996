"""CNN-TSA from the weights of PANNs' CNN6, which has its blocks, a front end, and no attention."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from data.bands import KeptBands
from model.cnn_tsa import CNNTSA
from model.pretrained import load_pretrained
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.weights_file import PretrainedError
from tests.model.weights import Weights, differing

CNN6_CHANNELS = (1, 64, 128, 256, 512)
NORM = ("running_mean", "running_var", "weight", "bias")


@pytest.fixture(scope="module")
def cnn6() -> Weights:
    """Random numbers under the names and in the shapes of PANNs' CNN6, whose front end is at 32 kHz."""
    torch.manual_seed(0)
    norms = {"bn0": 64} | {f"conv_block{n}.bn1": CNN6_CHANNELS[n] for n in range(1, 5)}
    weights = {f"{name}.{what}": torch.rand(n) + 0.5 for name, n in norms.items() for what in NORM}
    weights |= {f"{name}.num_batches_tracked": torch.tensor(7) for name in norms}
    for n, (inputs, outputs) in enumerate(pairwise(CNN6_CHANNELS), start=1):
        weights[f"conv_block{n}.conv1.weight"] = torch.randn(outputs, inputs, 5, 5) / inputs**0.5 / 5
    return weights | {
        "spectrogram_extractor.stft.conv_real.weight": torch.ones(513, 1, 1024),
        "spectrogram_extractor.stft.conv_imag.weight": torch.ones(513, 1, 1024),
        "logmel_extractor.melW": torch.ones(513, 64),
        "fc1.weight": torch.ones(512, 512),
        "fc1.bias": torch.ones(512),
        "fc_audioset.weight": torch.ones(527, 512),
        "fc_audioset.bias": torch.ones(527),
    }


def cnn6_map(weights: Weights, x: Tensor, blocks: int) -> Tensor:
    """The map (batch, channels, time, frequency) after some blocks of CNN6 in evaluation, in plain functions."""

    def norm(x: Tensor, name: str) -> Tensor:
        mean, variance, scale, shift = (weights[f"{name}.{what}"] for what in NORM)
        return F.batch_norm(x, mean, variance, scale, shift, eps=1e-5)

    x = norm(x[:, None].transpose(1, 3), "bn0").transpose(1, 3)
    for n in range(1, blocks + 1):
        x = F.conv2d(x, weights[f"conv_block{n}.conv1.weight"], padding=2)
        x = F.avg_pool2d(F.relu(norm(x, f"conv_block{n}.bn1")), 2)
    return x


@pytest.mark.parametrize(("blocks", "variant"), [(3, "three_blocks"), (4, "four_blocks")])
def test_panns_cnn6_comes_back_whole(cnn6: Weights, tmp_path: Path, blocks: int, variant: Any) -> None:
    torch.save({"iteration": 500000, "model": cnn6}, tmp_path / "Cnn6_mAP=0.343.pth")
    config = BackboneConfig(
        name="cnn_tsa",
        variant=variant,
        attention="none",
        pretrained=str(tmp_path / "Cnn6_mAP=0.343.pth"),
    )
    model = build_backbone(config, SmoothingConfig(stage=None), 4, (40, 64)).eval()
    x = torch.randn(2, 40, 64)
    last = cnn6_map(cnn6, x, blocks)
    pooled = (last.mean(3) + last.max(3).values).mean(2)
    torch.testing.assert_close(model.forward_grid(model.stem(x)), pooled, rtol=1e-4, atol=1e-5)


def test_panns_cnn6_leaves_attention_and_head_as_they_were_and_says_what_it_dropped(
    cnn6: Weights, tmp_path: Path
) -> None:
    torch.save({"model": cnn6}, tmp_path / "cnn6.pth")
    model = CNNTSA((64, 128, 256), mels=64)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    report = load_pretrained(model, str(tmp_path / "cnn6.pth"))
    assert report.layout == "panns"
    kept = {key: value for key, value in before.items() if key.startswith(("attention.", "head."))}
    assert differing(model, cnn6 | kept) == []
    assert {key.split(".")[0] for key in report.dropped} == {
        "conv_block4",
        "fc1",
        "fc_audioset",
        "logmel_extractor",
        "spectrogram_extractor",
    }


def test_panns_cnn6_without_a_block_is_refused(cnn6: Weights, tmp_path: Path) -> None:
    partial = {key: value for key, value in cnn6.items() if not key.startswith("conv_block4.")}
    torch.save({"model": partial}, tmp_path / "cnn6.pth")
    with pytest.raises(PretrainedError, match=r"missing: conv_block4\.conv1\.weight"):
        load_pretrained(CNNTSA((64, 128, 256, 512), mels=64), str(tmp_path / "cnn6.pth"))


def test_other_mel_bands_than_the_weights_have_are_refused_by_the_field(
    cnn6: Weights, tmp_path: Path
) -> None:
    torch.save({"model": cnn6}, tmp_path / "cnn6.pth")
    said = r"one number of mel bands \(features\.n_mels\); .*bn0\.running_mean \(64,\), not \(32,\)"
    with pytest.raises(PretrainedError, match=said):
        load_pretrained(CNNTSA((64, 128, 256, 512), mels=32), str(tmp_path / "cnn6.pth"))


def test_of_the_weights_for_all_mel_bands_those_of_kept_ones_are_taken(cnn6: Weights, tmp_path: Path) -> None:
    torch.save({"model": cnn6}, tmp_path / "cnn6.pth")
    bands = tuple(range(8, 40))
    model = CNNTSA((64, 128, 256, 512), mels=32)
    load_pretrained(model, str(tmp_path / "cnn6.pth"), kept=KeptBands(bands, 64))
    assert torch.equal(model.bn0.weight, cnn6["bn0.weight"][8:40])
    assert torch.equal(model.bn0.state_dict()["running_var"], cnn6["bn0.running_var"][8:40])
    with pytest.raises(PretrainedError, match=r"bn0\.running_mean \(64,\), not \(32,\)"):
        load_pretrained(model, str(tmp_path / "cnn6.pth"), kept=KeptBands(bands, 128))
