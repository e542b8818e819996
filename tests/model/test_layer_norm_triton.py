"""The kernels of the layer norm against its definition in double precision; without a GPU in Triton's interpreter.

That cuts numbers off where a GPU rounds them to the nearest, so a unit in the last place is allowed.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from model import layer_norm_triton
from model.layer_norm_triton import bytes_an_element, layer_norm
from tests.model.compiled_apart import compiled

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
TYPES = [
    (torch.float32, torch.bfloat16),
    (torch.bfloat16, torch.float32),
    (torch.bfloat16, torch.bfloat16),
    (torch.float32, torch.float16),
    (torch.float32, torch.float32),
]
"""Of the input, and of the result."""


def drawn(
    rows: int, channels: int, dtype: torch.dtype, *, mean: float = 0.0, seed: int = 0
) -> tuple[Tensor, Tensor, Tensor]:
    """Input, weight and bias."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, channels, generator=draw) * 3 + mean
    weight, bias = 1 + torch.randn(2, channels, generator=draw)
    return x.to(DEVICE, dtype), weight.to(DEVICE), bias.to(DEVICE)


def values_and_gradients(
    x: Tensor, weight: Tensor, bias: Tensor, y_type: torch.dtype
) -> tuple[list[Tensor], list[Tensor]]:
    """Result and gradients by the kernels, and by the definition in double precision."""
    leaves = [one.detach().clone().requires_grad_() for one in (x, weight, bias)]
    y = layer_norm(leaves[0], leaves[1], leaves[2], 1e-5, y_type)
    assert y.dtype == y_type
    upstream = torch.randn(y.shape, generator=torch.Generator().manual_seed(9)).to(y)
    found = [y.detach(), *torch.autograd.grad(y, leaves, upstream)]
    exact = [one.detach().double().requires_grad_() for one in (x, weight, bias)]
    truth = functional.layer_norm(exact[0], weight.shape, exact[1], exact[2], 1e-5)
    return found, [truth.detach(), *torch.autograd.grad(truth, exact, upstream.double())]


def lost_in(x: Tensor) -> float:
    """How many times a rounding in single precision is enlarged where the rows of `x` lie far from zero."""
    rows = x.double()
    return float(1 + (rows.mean(1).abs() / (rows.var(1, correction=0) + 1e-5).sqrt()).max())


def assert_within_a_last_place(found: Tensor, truth: Tensor, enlarged: float) -> None:
    """Beside `truth` rounded to the type of `found`, but for the rounding of the arithmetic, `enlarged` by the input."""
    last_place = 2 ** torch.floor(truth.abs().clamp(min=1e-30).log2()) * torch.finfo(found.dtype).eps
    arithmetic = 1e-6 * enlarged * truth.abs().max().clamp(min=1)
    rounded = truth.to(found.dtype).double()
    assert ((found.double() - rounded).abs() <= last_place + arithmetic).all()


@pytest.fixture(autouse=True)
def _several_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few rows are enough for programs of several tiles, and for several programs."""
    monkeypatch.setattr(layer_norm_triton, "FEWEST_TILES", 2)
    monkeypatch.setattr(layer_norm_triton, "RESIDENT", 3)
    monkeypatch.setattr(layer_norm_triton, "TILE", 256)


@given(
    rows=st.integers(1, 40),
    channels=st.sampled_from([1, 3, 48, 65, 96, 192]),
    types=st.sampled_from(TYPES),
    mean=st.sampled_from([0.0, -20.0]),
    seed=st.integers(0, 1000),
)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_values_are_the_definitions_to_the_last_place_and_gradients_are_its_own(
    rows: int, channels: int, types: tuple[torch.dtype, torch.dtype], mean: float, seed: int
) -> None:
    inputs = drawn(rows, channels, types[0], mean=mean, seed=seed)
    found, truth = values_and_gradients(*inputs, types[1])
    enlarged = lost_in(inputs[0])
    assert [one.dtype for one in found[1:]] == [types[0], torch.float32, torch.float32]
    for got, true in zip(found, truth, strict=True):
        assert_within_a_last_place(got, true, enlarged)


@pytest.mark.parametrize("channels", [768, 1536])
@pytest.mark.parametrize("types", TYPES[:2])
def test_rows_of_the_last_stages_are_as_exact(
    channels: int, types: tuple[torch.dtype, torch.dtype], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    for rows in (1, 5, 33):
        for got, true in zip(*values_and_gradients(*drawn(rows, channels, types[0]), types[1]), strict=True):
            assert_within_a_last_place(got, true, 1.0)


def test_a_mean_far_from_zero_costs_no_more_than_torchs_own_norm_loses() -> None:
    x, weight, bias = drawn(9, 96, torch.float32, mean=1000.0)
    truth = functional.layer_norm(x.double(), (96,), weight.double(), bias.double())
    own = (functional.layer_norm(x, (96,), weight, bias) - truth).abs().max()
    found = layer_norm(x, weight, bias, 1e-5, torch.float32)
    assert (found - truth).abs().max() <= 2 * own


def test_sums_are_added_in_one_order_so_that_the_same_machine_gives_the_same_bits() -> None:
    inputs = drawn(37, 96, torch.float32)
    once, again = (values_and_gradients(*inputs, torch.bfloat16)[0] for _ in range(2))
    assert all(torch.equal(one, other) for one, other in zip(once, again, strict=True))


def test_it_does_not_matter_how_input_and_gradient_lie_in_memory() -> None:
    x, weight, bias = drawn(12, 96, torch.float32)
    expected = values_and_gradients(x, weight, bias, torch.float32)[0]
    leaf = x.mT.contiguous().mT.requires_grad_()
    y = layer_norm(leaf.view(3, 4, 96), weight, bias, 1e-5, torch.float32)
    assert torch.equal(y.view(12, 96), expected[0])
    upstream = torch.randn(y.shape).to(y)
    (dx,) = torch.autograd.grad(y, leaf, upstream.transpose(0, 2).contiguous().transpose(0, 2))
    again = layer_norm(leaf.contiguous(), weight, bias, 1e-5, torch.float32)
    assert torch.equal(dx, torch.autograd.grad(again, leaf, upstream.view(12, 96))[0])


def test_a_number_that_is_none_spoils_its_own_row_alone() -> None:
    x, weight, bias = drawn(5, 65, torch.float32)
    x[2, 3] = torch.nan
    leaf = x.requires_grad_()
    y = layer_norm(leaf, weight, bias, 1e-5, torch.bfloat16)
    (dx,) = torch.autograd.grad(y.float().square().sum(), leaf)
    for rows in (y, dx):
        assert (
            rows.isnan().all(1).tolist() == rows.isnan().any(1).tolist() == [False, False, True, False, False]
        )


def test_a_second_derivative_is_refused_and_not_wrong() -> None:
    x, weight, bias = drawn(2, 3, torch.float32)
    leaf = x.requires_grad_()
    y = layer_norm(leaf, weight, bias, 1e-5, torch.float32)
    (dx,) = torch.autograd.grad(y.square().sum(), leaf, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        dx.sum().backward()


def given_to_kernels(x: torch.dtype, y: torch.dtype) -> Iterator[tuple[str, int]]:
    """Bytes an element of the tensors as large as the input that each launch is given."""
    found: list[tuple[str, int]] = []

    class Recorder:
        def __init__(self, name: str) -> None:
            self.name = name

        def __getitem__(self, grid: Any) -> Any:
            def record(*tensors: Tensor, **_: Any) -> None:
                large = [one for one in tensors if one.numel() == tensors[0].numel()]
                found.append((self.name, sum(one.element_size() for one in large)))

            return record

    recorders: dict[str, Any] = {name: Recorder(name) for name in ("normalise", "norm_gradients")}
    with patch.multiple(layer_norm_triton, **recorders):
        leaf, weight, bias = drawn(1000, 96, x)
        layer_norm(leaf.requires_grad_(), weight, bias, 1e-5, y).sum().backward()
    return iter(found)


@pytest.mark.parametrize(("x", "y"), TYPES)
def test_the_bytes_that_are_counted_are_those_of_the_tensors_of_each_launch(
    x: torch.dtype, y: torch.dtype
) -> None:
    assert dict(given_to_kernels(x, y)) == bytes_an_element(x, y)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", ["80", "90", "100"])
def test_both_kernels_compile_spill_nothing_and_move_sixteen_bytes_at_a_time(architecture: str) -> None:
    """Ampere, Hopper and Blackwell."""
    found = compiled(Path(__file__).with_name("compile_norms.py"), architecture)
    assert len(found) == 5 * 2 * 2
    for kernel, used in found.items():
        assert used["spilled"] == 0, kernel
        # Of 65536 registers of a multiprocessor, room for 4 programs of 128 threads.
        assert used["registers"] <= 128, kernel
        # A thread has 16 numbers of each map: as many accesses of 16 bytes as a number has bytes in all.
        assert used["wide"] >= used["bytes"], kernel
        writes_half = kernel.startswith("normalise") == kernel.endswith("float32")
        assert bool(used["to_nearest"]) == writes_half, kernel
