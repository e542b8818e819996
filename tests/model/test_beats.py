import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from model.beats import BEATs, EncoderLayer, PositionConvolution
from model.patch_mix import Mix, segment
from model.variants import BEATS_VARIANTS

TINY = BEATS_VARIANTS["tiny"]


@pytest.fixture
def model() -> BEATs:
    torch.manual_seed(0)
    return BEATs(TINY).eval()


def plain_tokens(model: BEATs, x: Tensor) -> Tensor:
    """The output tokens, from the weights by name, in the order of the published forward pass; attention is its own."""
    weights = model.state_dict()
    patches = F.conv2d(x[:, None], weights["patch_embedding.weight"], stride=16)  # (B, E, time, frequency)
    tokens = patches.flatten(2).transpose(1, 2)
    tokens = F.layer_norm(tokens, (32,), weights["layer_norm.weight"], weights["layer_norm.bias"])
    tokens = tokens @ weights["post_extract_proj.weight"].T + weights["post_extract_proj.bias"]
    direction = weights["encoder.pos_conv.0.weight_v"]
    lengths = torch.stack([direction[:, :, tap].norm() for tap in range(16)])
    kernel = direction / lengths * weights["encoder.pos_conv.0.weight_g"]
    moved = F.conv1d(
        F.pad(tokens.transpose(1, 2), (8, 7)), kernel, weights["encoder.pos_conv.0.bias"], groups=4
    )
    tokens = tokens + F.gelu(moved).transpose(1, 2)
    tokens = F.layer_norm(
        tokens, (48,), weights["encoder.layer_norm.weight"], weights["encoder.layer_norm.bias"]
    )
    bias = model.encoder.position_bias(tokens.shape[1])
    for number, layer in enumerate(model.encoder.layers):
        assert isinstance(layer, EncoderLayer)
        own = {
            key.removeprefix(f"encoder.layers.{number}."): value
            for key, value in weights.items()
            if key.startswith(f"encoder.layers.{number}.")
        }
        tokens = math.sqrt(2) * tokens + layer.self_attn(tokens, bias)  # (2 * 2 layers)^(1/4)
        tokens = F.layer_norm(
            tokens, (48,), own["self_attn_layer_norm.weight"], own["self_attn_layer_norm.bias"]
        )
        inner = F.gelu(tokens @ own["fc1.weight"].T + own["fc1.bias"])
        tokens = math.sqrt(2) * tokens + inner @ own["fc2.weight"].T + own["fc2.bias"]
        tokens = F.layer_norm(tokens, (48,), own["final_layer_norm.weight"], own["final_layer_norm.bias"])
    return tokens


@pytest.mark.parametrize(("frames", "mels"), [(64, 32), (98, 128), (40, 23)])
def test_logits_are_those_of_the_plain_definition(model: BEATs, frames: int, mels: int) -> None:
    model.double()
    x = torch.randn(3, frames, mels).double()
    tokens = plain_tokens(model, x)
    torch.testing.assert_close(model.tokens(model.stem(x)), tokens)
    logits = (tokens @ model.predictor.weight.T + model.predictor.bias).mean(dim=1)
    torch.testing.assert_close(model(x), logits)


def test_frames_and_bands_that_fill_no_patch_are_cut_off(model: BEATs) -> None:
    assert model.grid(98, 130) == (8, 6)
    x = torch.randn(2, 98, 130)
    assert tuple(model.stem(x).shape[2:]) == (8, 6)
    assert torch.equal(model(x), model(x[:, :96, :128]))


def test_a_sample_is_answered_alike_in_any_batch(model: BEATs) -> None:
    x = torch.randn(4, 64, 32)
    with torch.no_grad():
        alone = torch.cat([model(row[None]) for row in x])
        torch.testing.assert_close(model(x), alone)


def test_one_table_of_relative_positions_serves_all_layers(model: BEATs) -> None:
    tables = [name for name, _ in model.named_parameters() if "relative_attention_bias" in name]
    assert tables == ["encoder.layers.0.self_attn.relative_attention_bias.weight"]
    assert model.encoder.position_bias(7).shape == (3, 7, 7)
    table = model.encoder.layers[0].get_parameter("self_attn.relative_attention_bias.weight")
    # One token behind, itself, and one token ahead: 16 buckets a side.
    assert torch.equal(model.encoder.position_bias(3)[:, 1], table[[1, 0, 17]].T)


def test_all_weights_learn() -> None:
    torch.manual_seed(0)
    model = BEATs(TINY)
    F.cross_entropy(model(torch.randn(8, 64, 32)), torch.arange(8) % 4).backward()
    silent = [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.abs().max() > 0
    ]
    # A bias of keys shifts all scores of a query alike.
    assert all(name.endswith("k_proj.bias") for name in silent)


def test_a_mix_of_patches_moves_only_the_mixed_sample(model: BEATs) -> None:
    grid = model.grid(98, 128)
    assert grid == (8, 6)
    stem = model.stem(torch.randn(3, 98, 128))
    mix = Mix("time", torch.tensor([1, 0, 2]), segment("time", grid, 0, 2))
    clean, mixed = model.forward_grid(stem), model.forward_grid(mix(stem))
    assert clean.shape == mixed.shape == (3, model.feature_dim)
    assert not torch.allclose(clean[:2], mixed[:2])
    torch.testing.assert_close(clean[2], mixed[2])


def test_the_first_two_steps_of_time_are_the_first_sixteen_tokens(model: BEATs) -> None:
    x = torch.randn(1, 96, 128)
    model.encoder = torch.nn.Identity()  # pyright: ignore[reportAttributeAccessIssue]
    changed = x.clone()
    changed[:, :32] += 1
    same = (model.tokens(model.stem(x)) == model.tokens(model.stem(changed))).all(dim=2)[0]
    assert same.tolist() == [False] * 16 + [True] * 32


def test_dropout_is_of_the_classifiers_input_alone_and_in_training_alone() -> None:
    torch.manual_seed(0)
    model = BEATs(TINY, dropout=0.5)
    x = torch.randn(2, 32, 32)
    grid = model.stem(x)
    assert torch.equal(model.forward_grid(grid), model.forward_grid(grid))
    assert len(model.classify(torch.randn(1, 48).expand(400, -1)).unique(dim=0)) == 400
    model.eval()
    assert torch.equal(model(x), model(x))


def test_a_weight_norm_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours = PositionConvolution(8, 6, 2)
    with torch.no_grad():
        ours.weight_g.mul_(1.5)
    theirs = torch.nn.Conv1d(8, 8, 6, padding=3, groups=2)
    torch.nn.utils.parametrizations.weight_norm(theirs, dim=2)
    theirs.load_state_dict(
        {
            "bias": ours.bias,
            "parametrizations.weight.original0": ours.weight_g,
            "parametrizations.weight.original1": ours.weight_v,
        }
    )
    x = torch.randn(2, 8, 11)
    torch.testing.assert_close(ours(x), theirs(x)[..., :11])


def test_the_base_variant_is_as_large_as_the_published_one() -> None:
    with torch.device("meta"):
        model = BEATs(BEATS_VARIANTS["base"], num_classes=527)
    sizes = {name: parameter.numel() for name, parameter in model.named_parameters()}
    # The paper counts 90 million; this is the sum of the published shapes, the predictor of 527 classes left out.
    assert sum(sizes.values()) - 527 * 769 == (
        512 * 256 + 2 * 512 + 512 * 768 + 768  # patches
        + 768 * 48 * 128 + 128 + 768 + 2 * 768  # convolution and its norm
        + 320 * 12  # relative positions
        + 12 * (4 * (768 * 768 + 768) + 8 * 64 + 8 + 12 + 2 * 768 * 3072 + 3072 + 768 + 4 * 768)
    )  # fmt: skip
    assert 90e6 < sum(sizes.values()) < 91e6


def test_deep_norm_begins_with_smaller_values_and_perceptrons() -> None:
    torch.manual_seed(0)
    model = BEATs(BEATS_VARIANTS["tiny"]._replace(dim=192, heads=3, mlp_dim=192))
    layer = model.encoder.layers[0]
    xavier = math.sqrt(2 / (192 + 192))
    assert layer.get_parameter("self_attn.q_proj.weight").detach().std().item() == pytest.approx(
        xavier, rel=0.03
    )
    for name in ("self_attn.v_proj", "self_attn.out_proj", "fc1", "fc2"):
        assert layer.get_parameter(f"{name}.weight").detach().std().item() == pytest.approx(
            xavier / 2, rel=0.03
        )


def test_an_input_smaller_than_a_patch_is_refused(model: BEATs) -> None:
    with pytest.raises(ValueError, match="at least 16 frames and 16 mel bands, got 15 x 128"):
        model.stem(torch.zeros(1, 15, 128))
