"""SS2D against the inside of a block in golden/dass/tiny_io, and its first weights."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from model.recipe_parts import SmoothingConfig
from model.selective_scan import selective_scan
from model.selective_scan.cross_scan import cross_merge
from model.smoothing import gaussian_smooth
from model.ss2d import SS2D
from tests.goldens import Golden


@pytest.fixture
def io() -> Golden:
    return Golden("dass/tiny_io")


@pytest.fixture
def golden(io: Golden) -> dict[str, Tensor]:
    return io.under("a.ss2d.")


@pytest.fixture
def layer() -> SS2D:
    layer = SS2D(16)
    layer.load_state_dict(Golden("dass/tiny_state_dict").under("layers.0.blocks.0.op."))
    return layer.double()


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


def test_the_scan_inputs_are_the_published_ones(layer: SS2D, golden: dict[str, Tensor]) -> None:
    inputs = layer.scan_inputs(channels_last(golden["op_in"]))
    for found, name in zip(inputs, ("us", "dts", "Bs", "Cs"), strict=True):
        close(found, golden[name])


def test_the_four_scans_and_their_sum_are_the_published_ones(
    layer: SS2D, io: Golden, golden: dict[str, Tensor]
) -> None:
    us, dts, Bs, Cs = (golden[name] for name in ("us", "dts", "Bs", "Cs"))
    ys = selective_scan(
        us, dts, -layer.A_logs.exp(), Bs, Cs, layer.Ds, layer.dt_projs_bias.flatten(), True
    ).unflatten(1, (4, -1))
    io.check("a.ss2d.ys", ys.unflatten(3, (8, 16)), atol=1e-9)
    close(cross_merge(ys, 8, 16).flatten(2), golden["y"])


@pytest.mark.parametrize("engine", ["auto", "reference", "numba"])
def test_the_output_is_the_published_one(layer: SS2D, golden: dict[str, Tensor], engine: str) -> None:
    met: dict[str, Tensor] = {}
    layer.scan_engine = engine

    def keep(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        met["conv" if module is layer.conv2d else "core_out"] = output
        met["y"] = inputs[0]

    layer.conv2d.register_forward_hook(keep)
    layer.out_norm.register_forward_hook(keep)
    close(layer(channels_last(golden["op_in"])), channels_last(golden["op_out"]))
    close(functional.silu(met["conv"]), golden["core_in"])
    close(met["y"].permute(0, 3, 1, 2).flatten(2), golden["y"])
    close(met["core_out"], channels_last(golden["core_out"]))


def test_the_smoothed_output_is_that_of_a_smoothed_scan(layer: SS2D) -> None:
    met: list[Tensor] = []
    x = torch.randn(1, 4, 6, 16, dtype=torch.float64)
    layer.out_norm.register_forward_pre_hook(lambda _, inputs: met.append(inputs[0].permute(0, 3, 1, 2)))
    layer(x)
    layer.smoothing = SmoothingConfig(kernel_size=3, sigma=1.0)
    layer(x)
    plain, smoothed = met
    torch.testing.assert_close(smoothed, gaussian_smooth(plain, 3, 1.0))


def test_the_scan_starts_with_steps_between_a_thousandth_and_a_tenth() -> None:
    layer = SS2D(64)
    step = functional.softplus(layer.dt_projs_bias)
    assert step.min() >= 1e-3 * 0.999
    assert step.max() <= 1e-1 * 1.001
    assert step.log().mean().item() == pytest.approx(torch.tensor([1e-3, 1e-1]).log().mean().item(), abs=0.5)


def test_the_scan_starts_with_the_published_decay_and_skip() -> None:
    layer = SS2D(8, d_state=3)
    torch.testing.assert_close(layer.A_logs.exp(), torch.tensor([1.0, 2, 3]).expand(32, 3))
    assert torch.equal(layer.Ds, torch.ones(32))


def test_projections_start_within_their_bounds() -> None:
    layer = SS2D(64)
    rank = 4
    assert layer.dt_projs_weight.shape == (4, 64, rank)
    assert 0.9 * rank**-0.5 < layer.dt_projs_weight.abs().max() <= rank**-0.5
    assert 0.9 * 64**-0.5 < layer.x_proj_weight.abs().max() <= 64**-0.5


def test_a_layer_with_several_states_is_the_same_on_every_engine() -> None:
    layer = SS2D(8, d_state=3).double()
    x = torch.randn(2, 3, 5, 8, dtype=torch.float64)

    def output_and_gradients(engine: str) -> list[Any]:
        layer.scan_engine = engine
        y = layer(x)
        return [y, *torch.autograd.grad(y.square().sum(), list(layer.parameters()))]

    for found, expected in zip(output_and_gradients("numba"), output_and_gradients("reference"), strict=True):
        close(found, expected)
