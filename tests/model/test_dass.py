"""DASS against golden/dass: tiny_state_dict, tiny_io, tiny_grads, tiny_meta, full_models and full_outputs."""

import hashlib
import math
from collections.abc import Callable
from functools import cache
from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from data.settings import ConfigError
from model.batch_norm import ChannelsLastBatchNorm
from model.dass import DASS
from model.pointwise import Pointwise
from model.recipe_parts import Hook, SmoothingConfig
from model.variants import DASS_VARIANTS, Stem
from model.vss_block import VSSBlock
from tests.goldens import Golden, facts

ENGINES = ("reference", "numba")
# As tests/golden/README.md suggests: of features, and of pooled features and logits.
FLOAT32 = {"features": 1e-4, "outputs": 2e-5}


def build(variant: str, num_classes: int = 4, **settings: Any) -> DASS:
    return DASS(DASS_VARIANTS[variant].depths, DASS_VARIANTS[variant].dims, num_classes, **settings)


def tiny(**settings: Any) -> DASS:
    model = build("tiny", stem="layer_norm", **settings)
    model.load_state_dict(Golden("dass/tiny_state_dict", "dass/tiny_state_dict_layer3"))
    return model.eval()


def maps(model: DASS, x: Tensor) -> dict[str, Tensor]:
    """All that the goldens name, with channels second: stem, stages before their halving, pooled, logits."""
    found: dict[str, Tensor] = {}

    def keep(stage: int) -> Callable[..., None]:
        return lambda module, inputs, output: found.update({f"stage{stage}": output.permute(0, 3, 1, 2)})

    hooks = [
        model.get_submodule(f"layers.{stage}.blocks").register_forward_hook(keep(stage))
        for stage in range(model.num_stages)
    ]
    found["patch_embed"] = model.stem(x)
    found["pooled"] = model.forward_grid(found["patch_embed"])
    found["logits"] = model.classify(found["pooled"])
    for hook in hooks:
        hook.remove()
    return found


@pytest.fixture(scope="module")
def io() -> Golden:
    return Golden("dass/tiny_io")


@pytest.fixture(scope="module")
def published() -> dict[str, Any]:
    return facts("dass/full_models")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["a", "b", "d"])
def test_every_map_of_the_tiny_network_is_the_published_one(io: Golden, name: str, engine: str) -> None:
    model = tiny(scan_engine=engine).double()
    for key, value in maps(model, io[f"{name}.input"].double()).items():
        io.check(f"{name}.{key}", value, atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["a", "b", "d"])
def test_every_map_of_the_tiny_network_is_the_published_one_in_float32(
    io: Golden, name: str, engine: str
) -> None:
    for key, value in maps(tiny(scan_engine=engine), io[f"{name}.input"]).items():
        tolerance = FLOAT32["outputs" if key in {"pooled", "logits"} else "features"]
        io.check(f"{name}.{key}", value, atol=tolerance)


@pytest.mark.parametrize("hook", get_args(Hook))
def test_smoothing_at_each_hook_gives_the_published_maps(io: Golden, hook: Hook) -> None:
    smoothing = SmoothingConfig(stage=2, blocks=(0, 1), kernel_size=5, sigma=3.0, hook=hook)
    found = maps(tiny(smoothing=smoothing).double(), io["d.input"].double())
    for key in ("stage2", "logits"):
        io.check(f"d.gaussian.{hook}.{key}", found[key], atol=1e-9)


@pytest.mark.parametrize("engine", ENGINES)
def test_the_gradient_of_every_parameter_is_the_published_one(io: Golden, engine: str) -> None:
    golden = Golden("dass/tiny_grads")
    model = tiny(scan_engine=engine).double()
    x = io["a.input"].double().requires_grad_()
    loss = functional.cross_entropy(model(x), golden["labels"])
    loss.backward()
    torch.testing.assert_close(loss.detach(), golden["loss"][0], rtol=0, atol=1e-9)
    gradients = {"input": x.grad} | {name: weight.grad for name, weight in model.named_parameters()}
    assert {f"grad.{name}" for name in gradients} == {key for key in golden if key.startswith("grad.")}
    for name, gradient in gradients.items():
        assert gradient is not None
        golden.check(f"grad.{name}", gradient, atol=1e-9)


def test_the_tiny_network_has_the_published_keys_and_size() -> None:
    meta = facts("dass/tiny_meta")
    model = build("tiny", stem="layer_norm")
    assert [[key, list(value.shape)] for key, value in model.state_dict().items()] == meta["keys"]
    assert sum(weight.numel() for weight in model.parameters()) == meta["num_params"]
    assert (list(DASS_VARIANTS["tiny"].dims), list(DASS_VARIANTS["tiny"].depths)) == (
        meta["config"]["dims"],
        meta["config"]["depths"],
    )


@pytest.mark.parametrize("variant", ["small", "medium"])
def test_full_networks_have_the_published_keys_and_sizes(published: dict[str, Any], variant: str) -> None:
    with torch.device("meta"):
        model = build(variant, num_classes=527)
        of_four = build(variant)
    expected = published[variant]
    assert [[key, list(value.shape)] for key, value in model.state_dict().items()] == expected["keys"]
    assert list(DASS_VARIANTS[variant].depths) == expected["depths"]
    assert sum(weight.numel() for weight in model.parameters()) == expected["num_params_527"]
    assert sum(weight.numel() for weight in of_four.parameters()) == expected["num_params_4"]


@pytest.mark.parametrize("frames", [1024, 798])
@pytest.mark.parametrize("variant", ["small", "medium"])
def test_full_networks_give_the_published_maps(variant: str, frames: int) -> None:
    golden = Golden("dass/full_outputs")
    with torch.inference_mode():
        found = maps(full_network(variant), ruled(f"golden.input.T{frames}", (2, frames, 128)))
    for key in ("pooled", "logits"):
        expected = golden[f"{variant}.T{frames}.{key}"]
        assert (found.pop(key) - expected).abs().max() <= FLOAT32["outputs"], key
    for key, value in found.items():
        expected = golden[f"{variant}.T{frames}.{key}.channel_mean"]
        assert (value.mean((2, 3)) - expected).abs().max() <= FLOAT32["features"], key
        channels, height, width = value.shape[1:]
        steps = max(1, channels // 8), max(1, height // 4), max(1, width // 8)
        sample = value[:, :: steps[0], :: steps[1], :: steps[2]][:, :8]
        assert (sample - golden[f"{variant}.T{frames}.{key}.sample"]).abs().max() <= FLOAT32["features"], key


def test_the_rule_for_weights_has_the_published_first_values() -> None:
    head = uniform("classifier.head.weight", 3)
    assert head.tolist() == pytest.approx([-0.7908450122487212, 0.6626695524171644, -0.7315090524466474])
    weights = ruled("classifier.head.weight", (527, 768)).flatten()[:3].tolist()
    assert weights == pytest.approx([-0.0494278148, 0.0414168462, -0.0457193144])
    assert ruled("patch_embed.2.weight", (48,))[:2].tolist() == pytest.approx([1.0970587731, 0.9115707874])


@cache
def full_network(variant: str) -> DASS:
    model = build(variant, num_classes=527).eval()
    model.load_state_dict({key: ruled(key, tuple(value.shape)) for key, value in model.state_dict().items()})
    return model


def uniform(key: str, count: int) -> np.ndarray:
    """`count` numbers in [-1, 1) from the name of a tensor, by splitmix64."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "little")
    with np.errstate(over="ignore"):
        z = np.uint64(seed) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        z ^= z >> np.uint64(31)
    return 2 * (z >> np.uint64(11)).astype(np.float64) * 2.0**-53 - 1


def ruled(key: str, shape: tuple[int, ...]) -> Tensor:
    """The tensor that tests/golden/README.md gives to this name and shape."""
    v = uniform(key, math.prod(shape)).reshape(shape)
    name = key.rpartition(".")[2]
    if key.startswith("golden.input"):
        values = v
    elif name == "A_logs":
        values = 0.5 * v
    elif name == "Ds" or (name == "weight" and len(shape) == 1):
        values = 1 + 0.1 * v
    elif name == "dt_projs_bias":
        values = -4 + 2 * v
    elif name == "dt_projs_weight":
        values = v * shape[-1] ** -0.5
    elif name == "x_proj_weight":
        values = v * math.sqrt(3 / shape[-1])
    elif name == "bias":
        values = 0.1 * v
    else:
        values = v * math.sqrt(3 / math.prod(shape[1:]))
    return torch.from_numpy(values).float()


def test_a_mixed_stem_goes_on_as_the_samples_it_holds(io: Golden) -> None:
    model = tiny().double()
    x = io["a.input"].double()
    grid = model.stem(x)
    swapped = model.forward_grid(grid.flip(0))
    torch.testing.assert_close(grid, io["a.patch_embed"], rtol=0, atol=1e-9)
    torch.testing.assert_close(swapped, io["a.pooled"].flip(0), rtol=0, atol=1e-9)


@given(frames=st.integers(4, 40), mels=st.integers(4, 40), stem=st.sampled_from(get_args(Stem)))
@settings(max_examples=20, deadline=None)
def test_any_input_of_a_cell_or_more_gives_logits_on_the_promised_grid(
    frames: int, mels: int, stem: Stem
) -> None:
    model = DASS((1, 1), (8, 16), num_classes=3, stem=stem, mels=mels)
    x = torch.randn(2, frames, mels)
    assert model(x).shape == (2, 3)
    assert model.stem(x).shape == (2, 8, *model.grid(frames, mels))
    assert model.forward_grid(model.stem(x)).shape == (2, model.feature_dim)


def test_a_batch_of_one_keeps_its_axis() -> None:
    assert build("tiny")(torch.randn(1, 64, 32)).shape == (1, 4)


@pytest.mark.parametrize("pooling", ["mean", "mean_max"])
def test_pooled_features_are_the_mean_of_the_last_map_or_its_sum_with_the_maximum(pooling: Any) -> None:
    model = tiny(pooling=pooling)
    last: list[Tensor] = []
    model.classifier.norm.register_forward_hook(lambda *called: last.append(called[-1]))
    features = model.forward_grid(model.stem(torch.randn(2, 64, 64)))
    cells = last[0].flatten(1, 2)
    assert cells.shape[1] == 4
    expected = cells.mean(1) if pooling == "mean" else cells.mean(1) + cells.max(1).values
    torch.testing.assert_close(features, expected)


@pytest.mark.parametrize("shape", [(1, 3, 64), (1, 64, 3), (1, 0, 64)])
def test_an_input_smaller_than_a_cell_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="DASS needs at least 4 frames and mel bins, got"):
        build("tiny")(torch.zeros(shape))


def test_a_stage_that_is_not_there_cannot_be_smoothed() -> None:
    with pytest.raises(ConfigError, match=r"smoothing\.stage: this DASS has stages 0 to 3, got 4"):
        build("tiny", smoothing=SmoothingConfig(stage=4))


def test_smoothing_adds_nothing_to_the_weights() -> None:
    plain, smoothed = build("tiny"), build("tiny", smoothing=SmoothingConfig())
    assert plain.state_dict().keys() == smoothed.state_dict().keys()


def test_smoothing_reaches_the_named_blocks_only() -> None:
    model = DASS((1, 1, 4, 1), (8, 8, 8, 8), smoothing=SmoothingConfig(stage=2, blocks=(2, 3)))
    smoothed = [
        name for name, block in model.named_modules() if isinstance(block, VSSBlock) and block.smoothing
    ]
    assert smoothed == ["layers.2.blocks.2", "layers.2.blocks.3"]


def test_drop_path_rises_linearly_over_the_blocks() -> None:
    model = build("tiny", drop_path_rate=0.2)
    assert model.drop_path_rates.tolist() == pytest.approx([0, 0.05, 0.1, 0.15, 0.2])
    # They are of the recipe, and not among the weights.
    assert "drop_path_rates" not in model.state_dict()


def test_training_with_drop_path_is_random_and_use_is_not() -> None:
    model, x = build("tiny", drop_path_rate=0.5), torch.randn(4, 64, 32)
    assert not torch.equal(model(x), model(x))
    model.eval()
    assert torch.equal(model(x), model(x))


def test_drop_path_leaves_out_every_branch_of_a_sample_or_none_where_the_rate_says_so() -> None:
    model, x = build("tiny", drop_path_rate=0.5), torch.randn(4, 64, 32)
    with torch.no_grad():
        model.drop_path_rates.zero_()
    torch.testing.assert_close(model.train()(x), model.eval()(x))


def test_linear_layers_start_small_and_the_head_as_usual() -> None:
    model = build("tiny")
    small = torch.cat([layer.weight.flatten() for layer in model.modules() if isinstance(layer, Pointwise)])
    assert small.std().item() == pytest.approx(0.02, rel=0.02)
    biases = [
        layer.bias for layer in model.modules() if isinstance(layer, Pointwise) and layer.bias is not None
    ]
    assert all(not bias.any() for bias in biases)
    head = model.classifier.head.weight
    assert 0.9 * 128**-0.5 < head.abs().max() <= 128**-0.5


def test_the_same_seed_gives_the_same_network() -> None:
    torch.manual_seed(5)
    first = build("tiny").state_dict()
    torch.manual_seed(5)
    assert all(torch.equal(value, first[key]) for key, value in build("tiny").state_dict().items())


@pytest.mark.parametrize("stem", get_args(Stem))
def test_autocast_trains(stem: Any) -> None:
    model, x = build("tiny", stem=stem, mels=32), torch.randn(2, 64, 32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(x)
    torch.testing.assert_close(logits.float(), model(x), rtol=0.1, atol=0.05)
    logits.float().sum().backward()
    for name, weight in model.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.isfinite().all(), name
        assert weight.grad.dtype == torch.float32


@pytest.mark.parametrize("stem", get_args(Stem))
def test_maps_stay_channels_last_so_that_nothing_is_copied(stem: Any) -> None:
    model = build("tiny", stem=stem, mels=64)
    copied: list[str] = []

    def check(name: str) -> Any:
        def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if not inputs[0].is_contiguous():
                copied.append(name)

        return hook

    for name, module in model.named_modules():
        if isinstance(module, nn.LayerNorm | ChannelsLastBatchNorm | Pointwise | VSSBlock):
            module.register_forward_hook(check(name))
    model(torch.randn(2, 249, 64))
    assert not copied
