"""Functions of the Triton kernels, each in a kernel of its own, against torch in double precision."""

# pyright: reportGeneralTypeIssues=false

from typing import Any

import numpy as np
import pytest
import torch
import triton
import triton.language as tl
from triton._C.libtriton import ir
from triton.runtime.interpreter import InterpreterBuilder, TensorHandle

from model.selective_scan.triton_functions import product, slope_of_softplus, softplus, walk

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


@triton.jit
def _softplus_and_slope(x, y, slope, NUMBER: tl.constexpr, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    found = softplus(tl.load(x + i), NUMBER)
    tl.store(y + i, found)
    tl.store(slope + i, slope_of_softplus(found, NUMBER))


@triton.jit
def _walk(
    decay, drive, start, before, after, AGAINST: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr
):
    channel = tl.arange(0, CHANNELS)
    at = tl.arange(0, STEPS)[:, None] * CHANNELS + channel[None, :]
    found_before, found_after = walk(
        tl.load(decay + at), tl.load(drive + at), tl.load(start + channel), AGAINST
    )
    tl.store(before + at, found_before)
    tl.store(after + at, found_after)


@triton.jit
def _product(exact, other, total, NUMBER: tl.constexpr, SIZE: tl.constexpr):
    i = tl.arange(0, SIZE)
    at = i[:, None] * SIZE + i[None, :]
    nothing = tl.zeros((SIZE, SIZE), NUMBER)
    tl.store(total + at, product(tl.load(exact + at), tl.load(other + at), nothing, NUMBER))


def softplus_and_slope(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    y, slope = torch.empty_like(x), torch.empty_like(x)
    number = tl.float64 if x.dtype == torch.float64 else tl.float32
    kernel: Any = _softplus_and_slope
    kernel[(1,)](x, y, slope, NUMBER=number, SIZE=x.numel())
    return y.cpu(), slope.cpu()


def test_softplus_and_its_slope_are_precise_however_small() -> None:
    """But that in single precision a power of 2 has the error of its exponent, which grows with x."""
    for dtype, largest, by_exponent in ((torch.float32, 5e-7, 6e-8), (torch.float64, 5e-15, 0)):
        x = torch.cat([torch.linspace(-80, 80, 4095), torch.zeros(1)]).to(DEVICE, dtype)
        y, slope = softplus_and_slope(x)
        exact = x.cpu().double()
        largest = largest + by_exponent * exact.abs()
        expected = torch.where(exact > 0, exact, 0) + torch.log1p(torch.exp(-exact.abs()))
        assert (((y - expected) / expected).abs() < largest).all()
        assert (((slope - torch.sigmoid(exact)) / torch.sigmoid(exact)).abs() < largest).all()


def test_softplus_neither_overflows_nor_hides_a_nan() -> None:
    y, slope = softplus_and_slope(torch.tensor([-1e4, 1e4, torch.nan, 0.0], device=DEVICE))
    assert y[:2].tolist() == [0, 1e4]
    assert slope[:2].tolist() == [0, 1]
    assert y[2].isnan()
    assert slope[2].isnan()


def test_a_walk_tells_states_before_and_after_every_step_along_and_against_its_line() -> None:
    decay, drive = torch.rand(2, 8, 4, dtype=torch.float64, device=DEVICE)
    start = torch.rand(4, dtype=torch.float64, device=DEVICE)
    for against in (False, True):
        before, after = torch.empty_like(drive), torch.empty_like(drive)
        kernel: Any = _walk
        kernel[(1,)](decay, drive, start, before, after, AGAINST=against, STEPS=8, CHANNELS=4)
        h = start
        for t in reversed(range(8)) if against else range(8):
            torch.testing.assert_close(before[t], h)
            h = decay[t] * h + drive[t]
            torch.testing.assert_close(after[t], h)


@pytest.fixture
def _tensor_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let Triton's interpreter, which multiplies all bits of a float32, multiply those that tensor cores do."""
    multiply: Any = InterpreterBuilder.create_dot

    def cut(operand: Any) -> TensorHandle:
        bits = np.ascontiguousarray(operand.data).view(np.int32) & -(1 << 13)
        return TensorHandle(bits.view(np.float32), operand.dtype)

    def create_dot(builder: Any, left: Any, right: Any, total: Any, precision: Any, most: Any) -> Any:
        if left.data.dtype == np.float32 and precision == ir.INPUT_PRECISION.TF32:
            left, right = cut(left), cut(right)
        return multiply(builder, left, right, total, precision, most)

    monkeypatch.setattr(InterpreterBuilder, "create_dot", create_dot)


@pytest.mark.usefixtures("_tensor_cores")
def test_a_product_is_as_precise_as_its_numbers_with_numbers_in_half_precision_too() -> None:
    for dtype, number, largest in (
        (torch.bfloat16, tl.float32, 1e-6),
        (torch.float16, tl.float32, 1e-6),
        (torch.float32, tl.float32, 1e-6),
        (torch.float64, tl.float64, 1e-15),
    ):
        generator = torch.Generator().manual_seed(0)
        exact = torch.randn(16, 16, generator=generator, dtype=torch.float64).to(DEVICE, dtype)
        of_number = torch.float64 if dtype == torch.float64 else torch.float32
        other = torch.randn(16, 16, generator=generator, dtype=torch.float64).to(DEVICE, of_number)
        found = torch.empty_like(other)
        kernel: Any = _product
        kernel[(1,)](exact, other, found, NUMBER=number, SIZE=16)
        expected = exact.double() @ other.double()
        error = (found - expected).abs() / (exact.double().abs() @ other.double().abs())
        assert error.max() < largest
