"""Mixing matrices and response curves against golden/dass/spectral and worked by hand."""

import pytest
import torch
from torch import Tensor

from model.ast import AST
from model.dass import DASS
from model.recipe_parts import Hook, SmoothingConfig
from model.selective_scan import selective_scan
from model.selective_scan.cross_scan import cross_merge, cross_scan
from model.selective_scan.cross_selective_scan import DirectionInputs
from model.smoothing import gaussian_smooth
from model.spectral_response import (
    MOST_CELLS,
    Mode,
    ast_response,
    dass_response,
    merged_matrix,
    min_max,
    mixing_matrices,
    response_curve,
    row_major,
    smoothing_matrix,
    ss2d_matrices,
)
from model.variants import DASS_VARIANTS
from tests.goldens import Golden

HEIGHT, WIDTH = 4, 8


@pytest.fixture
def golden() -> Golden:
    return Golden("dass/spectral")


def published_matrices(golden: Golden, mode: Mode) -> Tensor:
    inputs = DirectionInputs(*(golden[f"in.{name}"] for name in ("us", "dts", "Bs", "Cs")))
    return mixing_matrices(inputs, golden["in.delta_bias"], -golden["in.A_logs"].exp(), mode)


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)


@pytest.mark.parametrize("mode", ["exact", "no_dt"])
def test_matrices_and_curves_are_the_published_ones(golden: Golden, mode: Mode) -> None:
    matrices = published_matrices(golden, mode)
    merged = merged_matrix(matrices, HEIGHT, WIDTH)
    close(matrices, golden[f"{mode}.per_direction_sequence_order"])
    close(row_major(matrices, HEIGHT, WIDTH), golden[f"{mode}.per_direction_spatial_order"])
    close(merged, golden[f"{mode}.merged"])
    close(response_curve(merged), golden[f"{mode}.merged_curve"])
    close(min_max(merged), golden[f"{mode}.merged_minmax"])
    close(response_curve(min_max(merged)), golden[f"{mode}.merged_minmax_curve"])


def test_the_curve_of_attention_is_the_published_one(golden: Golden) -> None:
    close(response_curve(golden["attention"].mean(1)), golden["attention.head_mean_curve"])


def test_the_scans_that_the_matrices_describe_are_the_published_ones(golden: Golden) -> None:
    us, dts, Bs, Cs, Ds, bias = (
        golden[f"in.{name}"] for name in ("us", "dts", "Bs", "Cs", "Ds", "delta_bias")
    )
    ys = selective_scan(us, dts, -golden["in.A_logs"].exp(), Bs, Cs, Ds, bias, True)
    golden.check("in.ys", ys.unflatten(1, (4, -1)).unflatten(3, (HEIGHT, WIDTH)), atol=1e-9)


def test_a_block_of_the_network_has_the_published_curve(golden: Golden) -> None:
    model = DASS(DASS_VARIANTS["tiny"].depths, DASS_VARIANTS["tiny"].dims)
    model.load_state_dict(Golden("dass/tiny_state_dict", "dass/tiny_state_dict_layer3"))
    x = Golden("dass/tiny_io")["d.input"].double()
    close(dass_response(model.double(), x, stage=2, block=1), golden["exact.merged_curve"])


def test_the_matrix_does_what_the_scans_of_one_channel_do() -> None:
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    height, width, states = 3, 2, 2
    cells = height * width
    x = normal(1, 1, height, width)
    inputs = DirectionInputs(normal(1, 4, cells), normal(1, 4, cells), *normal(2, 1, 4, states, cells))
    bias, A = normal(4), -normal(4, states).exp()
    matrices = row_major(mixing_matrices(inputs, bias, A), height, width)
    from_matrix = (matrices.sum(1) @ x.flatten(2).transpose(1, 2)).view_as(x)
    ys = selective_scan(cross_scan(x).flatten(1, 2), inputs.delta, A, inputs.B, inputs.C, None, bias, True)
    close(from_matrix, cross_merge(ys[:, :, None], height, width))


def test_the_identity_passes_every_frequency_equally() -> None:
    close(
        response_curve(torch.eye(6, dtype=torch.float64)[None]),
        torch.full((1, 6), 1 / 6, dtype=torch.float64),
    )


def test_averaging_passes_only_the_mean() -> None:
    curve = response_curve(torch.full((1, 5, 5), 1 / 5, dtype=torch.float64))
    close(curve, torch.tensor([[1 / 5, 0, 0, 0, 0]], dtype=torch.float64))


def test_a_block_that_is_not_there_is_refused() -> None:
    model = DASS((1, 1), (16, 32))
    with pytest.raises(ValueError, match="no block 1 in stage 0"):
        dass_response(model, torch.zeros(1, 16, 16), stage=0, block=1)


def test_smoothing_as_a_matrix_does_what_smoothing_does() -> None:
    smoothing = SmoothingConfig(kernel_size=3, sigma=1.5)
    x = torch.randn(1, 1, HEIGHT, WIDTH)
    expected = gaussian_smooth(x, smoothing.kernel_size, smoothing.sigma).flatten()
    torch.testing.assert_close(smoothing_matrix(HEIGHT, WIDTH, smoothing) @ x.flatten(), expected)


@pytest.mark.parametrize(("hook", "before"), [("scan_output", False), ("scan_input", True)])
def test_a_smoothed_block_has_the_curve_of_both_matrices(hook: Hook, before: bool) -> None:
    smoothing = SmoothingConfig(stage=0, blocks=(0,), kernel_size=3, hook=hook)
    model = DASS((1,), (16,), smoothing=smoothing).eval()
    met: list[Tensor] = []
    layer = model.get_submodule("layers.0.blocks.0.op")
    layer.register_forward_pre_hook(lambda _, inputs: met.append(inputs[0]))
    found = dass_response(model, torch.randn(1, 32, 16), stage=0, block=0)
    height, width = met[0].shape[1:3]
    scans = merged_matrix(ss2d_matrices(layer, met[0]), height, width)  # type: ignore[arg-type]
    smoothed = smoothing_matrix(height, width, smoothing)
    expected = response_curve(scans @ smoothed if before else smoothed @ scans)
    torch.testing.assert_close(found, expected)
    assert not torch.allclose(found, response_curve(scans), rtol=0.05)


def test_the_curve_of_a_layer_of_an_ast_is_that_of_its_attention() -> None:
    model = AST(12, 2, 3, 24).eval()
    x = torch.randn(2, 36, 26)
    attention = model.attentions(model.stem(x))[1]
    torch.testing.assert_close(ast_response(model, x, layer=1), response_curve(attention))


def test_a_layer_that_is_not_there_and_a_map_that_is_too_large_are_refused() -> None:
    with pytest.raises(ValueError, match="no layer 2: the encoder has 2"):
        ast_response(AST(12, 2, 3, 24), torch.zeros(1, 36, 26), layer=2)
    large = DASS((1,), (16,))
    side = 4 * (int(MOST_CELLS**0.5) + 1)
    with pytest.raises(ValueError, match=f"expected up to {MOST_CELLS} cells"):
        dass_response(large, torch.zeros(1, side, side), stage=0, block=0)
