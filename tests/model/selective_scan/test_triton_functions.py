"""Functions of the Triton kernels, each in a kernel of its own, against torch in double precision."""

# pyright: reportGeneralTypeIssues=false

from typing import Any

import torch
import triton
import triton.language as tl

from model.selective_scan.triton_functions import slope_of_softplus, softplus, walk

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


def softplus_and_slope(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    y, slope = torch.empty_like(x), torch.empty_like(x)
    number = tl.float64 if x.dtype == torch.float64 else tl.float32
    kernel: Any = _softplus_and_slope
    kernel[(1,)](x, y, slope, NUMBER=number, SIZE=x.numel())
    return y.cpu(), slope.cpu()


def test_softplus_and_its_slope_are_as_precise_as_their_numbers_however_small() -> None:
    for dtype, largest in ((torch.float32, 5e-7), (torch.float64, 5e-15)):
        x = torch.cat([torch.linspace(-80, 80, 4095), torch.zeros(1)]).to(DEVICE, dtype)
        y, slope = softplus_and_slope(x)
        exact = x.cpu().double()
        expected = torch.where(exact > 0, exact, 0) + torch.log1p(torch.exp(-exact.abs()))
        assert ((y - expected) / expected).abs().max() < largest
        assert ((slope - torch.sigmoid(exact)) / torch.sigmoid(exact)).abs().max() < largest


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
