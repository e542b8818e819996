"""The scan of a map in four directions: its parts put together against the loop that reads them in place."""

from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from model.selective_scan import selective_scan, triton_layout
from model.selective_scan.cross_scan import cross_merge, cross_scan
from model.selective_scan.cross_selective_scan import cross_selective_scan, direction_inputs

DEVICE = {"triton": "cuda" if torch.cuda.is_available() else "cpu"}


@pytest.fixture(autouse=True)
def _few_chunks_at_a_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the sequences of tests are long enough for states to be carried in turns."""
    monkeypatch.setattr(triton_layout, "CARRIED", 2)


def map_inputs(
    batch: int = 2,
    height: int = 3,
    width: int = 4,
    channels: int = 5,
    rank: int = 2,
    states: int = 1,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
) -> list[Tensor]:
    """u, projected, dt_weight, dt_bias, A, D."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    inputs = [
        normal(batch, height, width, channels),
        normal(batch, height, width, 4 * (rank + 2 * states)),
        normal(4, channels, rank),
        normal(4, channels),
        -normal(4 * channels, states).exp(),
        normal(4 * channels),
    ]
    return [tensor.requires_grad_() for tensor in inputs]


def scan_and_gradients(inputs: list[Tensor], engine: str) -> list[Tensor]:
    inputs = [tensor.detach().to(DEVICE.get(engine, "cpu")).requires_grad_() for tensor in inputs]
    y = cross_selective_scan(*inputs, engine=engine)
    dy = torch.linspace(-1, 1, y.numel(), dtype=y.dtype).view_as(y).to(y.device)
    return [tensor.cpu() for tensor in (y, *torch.autograd.grad(y, inputs, dy))]


@given(
    batch=st.integers(1, 3),
    height=st.integers(1, 6),
    width=st.integers(1, 7),
    channels=st.integers(1, 19),  # more than are laid out at once, and not a multiple
    rank=st.integers(1, 5),
    states=st.integers(1, 3),
    threads=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reading_in_place_agrees_with_the_definition(threads: int, **shape: Any) -> None:
    torch.set_num_threads(threads)
    inputs = map_inputs(**shape)
    expected = scan_and_gradients(inputs, "reference")
    for found, value in zip(scan_and_gradients(inputs, "numba"), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9)


def test_rows_too_long_to_be_grouped_agree_too() -> None:
    inputs = map_inputs(batch=1, height=50, width=100, channels=2)
    expected = scan_and_gradients(inputs, "reference")
    for found, value in zip(scan_and_gradients(inputs, "numba"), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9)


@given(
    height=st.integers(1, 4),
    width=st.integers(1, 4),
    channels=st.sampled_from([1, 5, 33]),  # more than a warp
    rank=st.integers(1, 3),
    states=st.integers(1, 3),
    seed=st.integers(0, 99),
)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_triton_agrees_with_the_definition(**shape: Any) -> None:
    inputs = map_inputs(**shape)
    expected = scan_and_gradients(inputs, "reference")
    for found, value in zip(scan_and_gradients(inputs, "triton"), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    "shape",
    [
        {"batch": 1, "height": 1, "width": 1, "channels": 1, "rank": 1},
        {
            "batch": 1,
            "height": 4,
            "width": 9,
            "channels": 3,
            "rank": 17,
        },  # more inputs than one product takes
        {"batch": 1, "height": 3, "width": 11, "channels": 33, "rank": 2, "states": 2},
    ],
)
def test_triton_agrees_at_odd_shapes(shape: dict[str, Any]) -> None:
    inputs = map_inputs(**shape)
    expected = scan_and_gradients(inputs, "reference")
    for found, value in zip(scan_and_gradients(inputs, "triton"), expected, strict=True):
        torch.testing.assert_close(found, value, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "dtype", "largest"),
    [
        ({"batch": 1, "height": 16, "width": 3, "channels": 64}, torch.float32, 2e-5),
        ({"batch": 1, "height": 32, "width": 2, "channels": 32}, torch.float32, 2e-5),
        ({"batch": 1, "height": 4, "width": 8, "channels": 32, "rank": 18}, torch.float32, 2e-5),
        ({"batch": 2, "height": 4, "width": 4, "channels": 32, "states": 2}, torch.float32, 2e-5),
        ({"batch": 1, "height": 8, "width": 3, "channels": 32}, torch.float64, 1e-9),
        ({"batch": 2, "height": 8, "width": 2, "channels": 32}, torch.bfloat16, 2**-7),
        ({"batch": 1, "height": 16, "width": 2, "channels": 32}, torch.float16, 2**-10),
    ],
)
def test_triton_agrees_on_maps_that_are_cut_without_remainder(
    shape: dict[str, Any], dtype: torch.dtype, largest: float
) -> None:
    """Chunks of 16 steps, of 8 in double precision and with several states: one column, half of one, two, and four."""
    given = [tensor.detach().to(dtype) for tensor in map_inputs(**shape)]
    assert triton_layout.layout_of_map(*given)[1].even is not None
    expected = scan_and_gradients([tensor.double() for tensor in given], "reference")
    for found, value in zip(scan_and_gradients(given, "triton"), expected, strict=True):
        assert (found - value).abs().max() <= largest * value.abs().max()


@pytest.mark.parametrize(
    ("height", "width", "channels"),
    [
        (12, 4, 32),  # a chunk of 16 cells begins within a column
        (8, 3, 32),  # the last chunk has half a chunk's cells
        (16, 2, 33),  # the last block of channels has one
    ],
)
def test_maps_that_are_cut_with_remainders_keep_addresses_and_masks(
    height: int, width: int, channels: int
) -> None:
    inputs = map_inputs(1, height, width, channels, dtype=torch.float32)
    assert triton_layout.layout_of_map(*inputs)[1].even is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("height", "width", "channels", "rank"), [(8, 16, 96, 6), (8, 8, 96, 12), (4, 8, 64, 24), (4, 4, 64, 48)]
)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_triton_agrees_at_the_stages_of_dass_scaled_down(
    height: int, width: int, channels: int, rank: int, dtype: torch.dtype
) -> None:
    inputs = map_inputs(1, height, width, channels, rank)
    expected = scan_and_gradients(inputs, "reference")
    given = [tensor.detach().to(dtype) for tensor in inputs]
    for found, value in zip(scan_and_gradients(given, "triton"), expected, strict=True):
        largest = value.abs().max()
        assert (found - value).abs().max() <= (1e-9 if dtype == torch.float64 else 2e-5) * largest


@pytest.mark.parametrize(
    ("engine", "size"), [("reference", (16, 63)), ("numba", (16, 63)), ("triton", (4, 5))]
)
def test_float32_agrees_with_float64(engine: str, size: tuple[int, int]) -> None:
    inputs = map_inputs(height=size[0], width=size[1], channels=16, rank=1)
    expected = scan_and_gradients(inputs, "reference")
    in_single = [tensor.detach().float().requires_grad_() for tensor in inputs]
    for found, value in zip(scan_and_gradients(in_single, engine), expected, strict=True):
        assert found.dtype == torch.float32
        assert (found - value).abs().max() <= 2e-5 * value.abs().max()


@pytest.mark.parametrize("engine", ["reference", "numba", "triton"])
def test_it_is_the_scan_of_the_cross_scan_merged(engine: str) -> None:
    u, projected, dt_weight, dt_bias, A, D = map_inputs()
    height, width, channels, rank = 3, 4, 5, 2
    maps = u.permute(0, 3, 1, 2)
    inputs = direction_inputs(u, projected, dt_weight)
    assert torch.equal(inputs.u, cross_scan(maps).flatten(1, 2))
    # The projection of each cell commutes with the order in which cells are read.
    of_cells = cross_scan(projected.permute(0, 3, 1, 2)).unflatten(2, (4, -1))
    own = torch.stack([of_cells[:, k, k] for k in range(4)], dim=1)
    assert torch.equal(inputs.B, own[:, :, rank : rank + 1])
    assert torch.equal(inputs.C, own[:, :, rank + 1 :])
    delta = torch.einsum("bkrl,kcr->bkcl", own[:, :, :rank], dt_weight).flatten(1, 2)
    torch.testing.assert_close(inputs.delta, delta)
    y = selective_scan(inputs.u, delta, A, inputs.B, inputs.C, D, dt_bias.flatten(), True)
    merged = cross_merge(y.unflatten(1, (4, channels)), height, width).permute(0, 2, 3, 1)
    tensors = (u, projected, dt_weight, dt_bias, A, D)
    torch.testing.assert_close(scan_and_gradients([*tensors], engine)[0], merged)


@pytest.mark.parametrize("engine", ["numba", "triton"])
def test_only_the_map_its_projections_and_states_between_chunks_are_saved(engine: str) -> None:
    def saved(width: int) -> int:
        sizes: dict[int, int] = {}

        def save(tensor: Tensor) -> Tensor:
            sizes[tensor.untyped_storage().data_ptr()] = tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(save, lambda tensor: tensor):
            inputs = [tensor.to(DEVICE.get(engine, "cpu")) for tensor in map_inputs(width=width)]
            cross_selective_scan(*inputs, engine=engine)
        return sum(sizes.values())

    batch, height, channels, inputs = 2, 3, 5, 4 * (2 + 2 * 1)
    # A chunk has 8 steps in double precision: maps of 3 x 3 and 3 x 8 cells have 2 and 3.
    states = 1 * batch * 4 * channels if engine == "triton" else 0
    assert saved(8) - saved(3) == 5 * batch * height * (channels + inputs) + states


@pytest.mark.parametrize("engine", ["numba", "triton"])
def test_half_precision_maps_are_scanned_in_float32(engine: str) -> None:
    inputs = [tensor.detach().bfloat16() for tensor in map_inputs()]
    y, *gradients = scan_and_gradients(inputs, engine)
    in_full = scan_and_gradients([tensor.float() for tensor in inputs], engine)
    assert y.dtype == torch.float32
    # Triton's kernels project deltas from half precision by other products than from single precision.
    tolerance = 1e-5 if engine == "triton" else 0
    torch.testing.assert_close(y, in_full[0], rtol=tolerance, atol=tolerance)
    # The kernels write du in half precision, which Triton's interpreter cuts off where a GPU rounds.
    cut = ["du"] if DEVICE.get(engine) == "cpu" else []
    names = ("du", "dprojected", "dweight", "dbias", "dA", "dD")
    for name, tensor, gradient, expected in zip(names, inputs, gradients, in_full[1:], strict=True):
        assert gradient.dtype == tensor.dtype
        if name in cut:
            torch.testing.assert_close(gradient.float(), expected, rtol=2**-7, atol=0)
        elif engine == "triton":
            torch.testing.assert_close(gradient.float(), expected, rtol=2**-8, atol=1e-5)
        else:
            assert torch.equal(gradient, expected.bfloat16())
