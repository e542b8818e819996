"""Mixing matrices and response curves against golden/dass/spectral and worked by hand."""

import pytest
import torch
from torch import Tensor

from model.dass import DASS
from model.selective_scan import selective_scan
from model.selective_scan.cross_scan import cross_merge, cross_scan
from model.selective_scan.cross_selective_scan import DirectionInputs
from model.spectral_response import (
    Mode,
    attention_curve,
    dass_response,
    merged_matrix,
    min_max,
    mixing_matrices,
    response_curve,
    row_major,
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
    close(attention_curve(golden["attention"]), golden["attention.head_mean_curve"])


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
