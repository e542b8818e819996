"""CNN-TSA against plain torch functions and the sizes and multiply-adds of its paper."""

from collections.abc import Sequence

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from model.cnn_tsa import CNNTSA
from model.patch_mix import Mix, segment
from model.recipe_parts import Attention
from model.variants import CNN_TSA_VARIANTS

PLACES: tuple[Attention, ...] = ("none", "input", "block1", "block2", "block3", "block4", "post")
FOUR = CNN_TSA_VARIANTS["four_blocks"].channels
THREE = CNN_TSA_VARIANTS["three_blocks"].channels


def small(attention: Attention = "post", dropout: float = 0.0) -> CNNTSA:
    torch.manual_seed(0)
    model = CNNTSA((4, 6, 8, 10), mels=32, num_classes=3, attention=attention, dropout=dropout).double()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            for tensor in (module.weight.data, module.bias.data, module.running_mean, module.running_var):
                assert tensor is not None
                tensor.uniform_(0.5, 1.5)
    return model


def plain(weights: dict[str, Tensor], x: Tensor, attention: Attention) -> Tensor:
    """Logits by the formulas, in evaluation: maps are (batch, channels, time, frequency)."""

    def norm(x: Tensor, name: str, axis: int) -> Tensor:
        shape = [-1 if dim == axis else 1 for dim in range(x.ndim)]
        mean, variance, scale, shift = (
            weights[f"{name}.{what}"].reshape(shape)
            for what in ("running_mean", "running_var", "weight", "bias")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    def attend(tokens: Tensor) -> Tensor:
        query, key, value = (tokens @ weights[f"attention.{n}.weight"].T for n in ("query", "key", "value"))
        answers = []
        for t in range(tokens.shape[1]):
            score = (query[:, t, None] * key).sum(-1) / key.shape[-1] ** 0.5
            answers.append((score.softmax(1)[..., None] * value).sum(1))
        return tokens + torch.stack(answers, 1)

    x = norm(x, "bn0", axis=2)
    x = attend(x) if attention == "input" else x
    x = x[:, None]
    for block in range(1, 5):
        x = F.conv2d(x, weights[f"conv_block{block}.conv1.weight"], padding=2)
        x = F.avg_pool2d(norm(x, f"conv_block{block}.bn1", axis=1).clamp(min=0), 2)
        if attention == f"block{block}":
            batch, channels, time, bands = x.shape
            tokens = attend(torch.stack([x[:, :, t].flatten(1) for t in range(time)], 1))
            x = tokens.reshape(batch, time, channels, bands).permute(0, 2, 1, 3)
    tokens = (x.mean(3) + x.max(3).values).permute(0, 2, 1)
    tokens = attend(tokens) if attention == "post" else tokens
    return tokens.mean(1) @ weights["head.weight"].T + weights["head.bias"]


@pytest.mark.parametrize("attention", PLACES)
def test_logits_are_those_of_the_formulas_wherever_attention_is(attention: Attention) -> None:
    model = small(attention).eval()
    x = torch.randn(2, 50, 32, dtype=torch.float64)
    torch.testing.assert_close(model(x), plain(model.state_dict(), x, attention))


def test_each_place_of_attention_changes_the_features() -> None:
    x = torch.randn(2, 64, 32, dtype=torch.float64)
    none = small("none")
    for attention in PLACES[1:]:
        model = small(attention)
        model.load_state_dict(none.state_dict(), strict=False)
        assert not torch.allclose(model.eval()(x), none.eval()(x)), attention


def parameters(model: CNNTSA) -> int:
    """Without the norm of the bands and the head, which the paper's numbers leave out."""
    inner = [p for name, p in model.named_parameters() if not name.startswith(("bn0.", "head."))]
    return sum(parameter.numel() for parameter in inner)


@pytest.mark.parametrize(
    ("channels", "attention", "count"),
    [
        (FOUR, "none", 4_304_320),
        (FOUR, "post", 4_632_000),
        (THREE, "none", 1_026_496),
        (THREE, "post", 1_108_416),
    ],
)
def test_parameters_are_as_many_as_published(
    channels: Sequence[int], attention: Attention, count: int
) -> None:
    with torch.device("meta"):
        assert parameters(CNNTSA(channels, mels=64, attention=attention)) == count


def test_the_tiny_variant_has_a_tenth_of_a_million_parameters() -> None:
    with torch.device("meta"):
        model = CNNTSA(CNN_TSA_VARIANTS["tiny"].channels, mels=64)
    assert 80_000 < sum(parameter.numel() for parameter in model.parameters()) < 125_000


def multiply_adds(model: CNNTSA, frames: int, mels: int) -> float:
    """Of one clip, in 1e9: products of convolutions and matrices, and one scale and shift per normalised number."""
    normalised = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(lambda _module, _inputs, output: normalised.append(output.numel()))
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model.eval()(torch.empty(1, frames, mels))
    # The counter takes a multiply-add for two; the paper counts multiply-adds, and two for a normalised number.
    return (counter.get_total_flops() / 2 + 2 * sum(normalised)) / 1e9


@pytest.mark.parametrize(
    ("attention", "printed"), [("none", 2.47), ("post", 2.48), ("block1", 3.17), ("input", 2.48)]
)
def test_multiply_adds_of_eight_seconds_are_those_of_the_paper(attention: Attention, printed: float) -> None:
    with torch.device("meta"):
        model = CNNTSA(FOUR, mels=64, attention=attention)
    assert round(multiply_adds(model, 251, 64), 2) == printed


def test_half_the_bands_halve_the_multiply_adds() -> None:
    with torch.device("meta"):
        whole, half = (CNNTSA(FOUR, mels=mels, attention="none") for mels in (64, 32))
    ratio = multiply_adds(half, 251, 32) / multiply_adds(whole, 251, 64)
    assert ratio == pytest.approx(0.5, abs=0.002)


def test_the_grid_is_the_first_block_s_and_mixes_move_only_the_mixed_sample() -> None:
    model = small("block1").eval()
    x = torch.randn(3, 51, 32, dtype=torch.float64)
    stem = model.stem(x)
    assert tuple(stem.shape) == (3, 4, 16, 25)
    assert tuple(stem.shape[2:]) == model.grid(51, 32)
    mix = Mix("time", torch.tensor([1, 0, 2]), segment("time", (16, 25), 0, 10))
    clean, mixed = model.forward_grid(stem), model.forward_grid(mix(stem))
    assert clean.shape == mixed.shape == (3, model.feature_dim)
    assert not torch.allclose(clean[:2], mixed[:2])
    torch.testing.assert_close(clean[2], mixed[2])


def test_a_cell_is_two_bands_by_two_frames_and_time_is_the_last_axis() -> None:
    model = small("none").eval()
    x = torch.zeros(1, 64, 32, dtype=torch.float64)
    x[0, 40:42, 10:12] = 5
    changed = (model.stem(x) - model.stem(torch.zeros_like(x))).abs().sum((0, 1)) > 0
    bands, times = changed.nonzero(as_tuple=True)
    # Two bins either way, which is one cell.
    assert (bands.min(), bands.max(), times.min(), times.max()) == (4, 6, 19, 21)


def test_the_stem_has_no_dropout_and_the_rest_only_in_training() -> None:
    model = small(dropout=0.5).train()
    for module in model.modules():
        if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
            module.eval()
    x = torch.randn(2, 64, 32, dtype=torch.float64)
    stem = model.stem(x)
    torch.testing.assert_close(model.stem(x), stem)
    assert not torch.allclose(model.forward_grid(stem), model.forward_grid(stem))
    model.eval()
    torch.testing.assert_close(model.forward_grid(stem), model.forward_grid(stem))


def test_a_band_that_does_not_reach_the_last_map_is_refused() -> None:
    CNNTSA(THREE, mels=8)
    with pytest.raises(ValueError, match="3 blocks needs at least 8 frames and 8 mel bands, got 8 x 7"):
        CNNTSA(THREE, mels=7)
    with pytest.raises(ValueError, match="4 blocks needs at least 16 frames and 16 mel bands, got 15 x 32"):
        small().grid(15, 32)
    with pytest.raises(ValueError, match="was built for 32 mel bands, got 64"):
        small().stem(torch.zeros(1, 64, 64, dtype=torch.float64))


def test_attention_after_a_block_that_there_is_not_is_refused() -> None:
    with pytest.raises(ValueError, match="expected none, input, block1, block2, block3, post, got block4"):
        CNNTSA(THREE, mels=64, attention="block4")
