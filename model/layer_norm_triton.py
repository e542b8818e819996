"""Layer norm by Triton kernels that read and write any float type: what autocast would copy before and after is not.

A program normalises ROWS rows at a time, with all channels of a row in registers. Numbers are computed in single
precision. Of the weights' gradients each program of the backward pass writes its own sums, which are added afterwards
in a fixed order: nothing is added atomically, so the same machine gives the same bits.

`no_type_check` keeps run-time type checkers off functions that Triton must read as written.
"""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from model.selective_scan.triton_layout import pieces_of
from model.triton_launch import multiprocessors, on_device_of

TILE = 2048
"""Numbers that a program holds of each array: 16 in each of its 128 threads."""
RESIDENT = 4
"""Programs of the backward pass that a multiprocessor runs at once."""
FEWEST_TILES = 4
"""Tiles that a program of the backward pass takes at least, so that the sums that it writes weigh little beside them."""


def layer_norm(
    x: Float[Tensor, "*rows channels"],
    weight: Float[Tensor, " channels"],
    bias: Float[Tensor, " channels"],
    eps: float,
    dtype: torch.dtype,
) -> Float[Tensor, "*rows channels"]:
    """Normalise each row in single precision; returns it in `dtype`. Weight and bias are in single precision.

    The gradient of `x` is in the type of `x`, those of weight and bias in single precision. There is no second
    derivative: autograd raises RuntimeError.

    Reference: Ba et al., "Layer Normalization", https://arxiv.org/abs/1607.06450
    """
    return _LayerNorm.apply(x.contiguous(), weight, bias, eps, dtype)  # pyright: ignore[reportReturnType]


def bytes_an_element(x: torch.dtype, y: torch.dtype) -> dict[str, int]:
    """Count the bytes an element that each kernel must move, but for a few numbers of each row and each channel."""
    return {"normalise": x.itemsize + y.itemsize, "norm_gradients": 2 * x.itemsize + y.itemsize}


def try_out() -> None:
    """Compile and run both kernels on the smallest input. Raises whatever error stands in the way."""
    one = torch.ones(1, 1, device="cuda" if torch.cuda.is_available() else "cpu")
    y, means, scales = _normalised(one, one[0], one[0], 1e-5, torch.bfloat16)
    _gradients(one, y, one[0], means, scales)


class _LayerNorm(Function):
    """Gradients of `layer_norm`. The input is saved, and two numbers of each row."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, dtype: torch.dtype) -> Tensor:
        y, means, scales = _normalised(x, weight, bias, eps, dtype)
        ctx.save_for_backward(x, weight, means, scales)
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        x, weight, means, scales = ctx.saved_tensors
        return *_gradients(x, upstream[0].contiguous(), weight, means, scales), None, None


def _normalised(
    x: Tensor, weight: Tensor, bias: Tensor, eps: float, dtype: torch.dtype
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the normalised rows, each row's mean, and one over its standard deviation."""
    rows, cut = x.numel() // x.shape[-1], _cut(x)
    y = torch.empty_like(x, dtype=dtype)
    means, scales = (x.new_empty(rows, dtype=torch.float32) for _ in range(2))
    with on_device_of(x):
        normalise[pieces_of(rows, cut["ROWS"]),](x, weight, bias, y, means, scales, rows=rows, EPS=eps, **cut)
    return y, means, scales


def _gradients(
    x: Tensor, dy: Tensor, weight: Tensor, means: Tensor, scales: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Compute the gradients of input, weight and bias."""
    rows, cut = x.numel() // x.shape[-1], _cut(x)
    tiles = pieces_of(rows, cut["ROWS"])
    programs = min(pieces_of(tiles, FEWEST_TILES), RESIDENT * multiprocessors(x.device))
    dx = torch.empty_like(x)
    sums = x.new_empty(programs, 2, x.shape[-1], dtype=torch.float32)
    with on_device_of(x):
        norm_gradients[programs,](x, dy, weight, means, scales, dx, sums, rows=rows, **cut)
    dweight, dbias = sums.sum(0)
    return dx, dweight, dbias


def _cut(x: Tensor) -> dict[str, Any]:
    """Choose into which tiles the kernels cut `x`."""
    padded = triton.next_power_of_2(x.shape[-1])
    return {"CHANNELS": x.shape[-1], "PADDED": padded, "ROWS": max(1, TILE // padded), "num_warps": 4}


# The last batch of an epoch has fewer rows: of a multiple of 16 Triton would compile a kernel of its own.
@triton.jit(do_not_specialize=("rows",))
@no_type_check
def normalise(
    x, weight, bias, y, means, scales, rows,
    EPS: tl.constexpr, CHANNELS: tl.constexpr, PADDED: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write a tile of normalised rows, each row's mean, and one over its standard deviation."""
    channel, in_channels, start, inside, at = _locate(tl.program_id(0), rows, CHANNELS, PADDED, ROWS)
    values = tl.load(x + start * CHANNELS + at, inside, 0.0).to(tl.float32)
    factor, offset = tl.load(weight + channel, in_channels, 0.0), tl.load(bias + channel, in_channels, 0.0)
    mean = tl.sum(values, 1) / CHANNELS
    # Outside the channels is nothing that varies.
    centred = tl.where(in_channels[None, :], values - mean[:, None], 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, 1) / CHANNELS + EPS)
    tl.store(y + start * CHANNELS + at, centred * scale[:, None] * factor[None, :] + offset[None, :], inside)
    row = tl.arange(0, ROWS)
    tl.store(means + start + row, mean, start + row < rows)
    tl.store(scales + start + row, scale, start + row < rows)


@triton.jit(do_not_specialize=("rows",))
@no_type_check
def norm_gradients(
    x, dy, weight, means, scales, dx, sums, rows,
    CHANNELS: tl.constexpr, PADDED: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a program's tiles, and its sums for the gradients of weight and bias.

    With n the normalised values and g = weight dy, dx = (g - mean(g) - n mean(g n)) / standard deviation.
    """
    program, row = tl.program_id(0), tl.arange(0, ROWS)
    channel = tl.arange(0, PADDED)
    factor = tl.load(weight + channel, channel < CHANNELS, 0.0)[None, :]
    of_weight, of_bias = tl.zeros((ROWS, PADDED), tl.float32), tl.zeros((ROWS, PADDED), tl.float32)
    tile = program
    while tile * ROWS < rows:
        _, _, start, inside, at = _locate(tile, rows, CHANNELS, PADDED, ROWS)
        values = tl.load(x + start * CHANNELS + at, inside, 0.0)
        upstream = tl.load(dy + start * CHANNELS + at, inside, 0.0).to(tl.float32)
        mean = tl.load(means + start + row, start + row < rows, 0.0)[:, None]
        scale = tl.load(scales + start + row, start + row < rows, 0.0)[:, None]
        normal = (values.to(tl.float32) - mean) * scale
        of_weight += upstream * normal
        of_bias += upstream
        gradient = upstream * factor
        level = tl.sum(gradient, 1)[:, None] / CHANNELS
        along = tl.sum(gradient * normal, 1)[:, None] / CHANNELS
        tl.store(dx + start * CHANNELS + at, (gradient - level - normal * along) * scale, inside)
        tile += tl.num_programs(0)
    own = sums + program * 2 * CHANNELS + channel
    tl.store(own, tl.sum(of_weight, 0), channel < CHANNELS)
    tl.store(own + CHANNELS, tl.sum(of_bias, 0), channel < CHANNELS)


@triton.jit
@no_type_check
def _locate(tile, rows, CHANNELS: tl.constexpr, PADDED: tl.constexpr, ROWS: tl.constexpr):
    """Find a tile: channels, which of them exist, the first row, which numbers exist, and offsets from the first."""
    channel, row = tl.arange(0, PADDED), tl.arange(0, ROWS)
    in_channels = channel < CHANNELS
    start = tile.to(tl.int64) * ROWS
    inside = (start + row < rows)[:, None] & in_channels[None, :]
    return channel, in_channels, start, inside, row[:, None] * CHANNELS + channel[None, :]
