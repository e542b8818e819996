"""What the Triton kernels of the selective scan share: inputs of a direction, its step sizes, and its walk in time.

Chunks are tensors (steps, channels), in the order in which cells lie on their line; a direction walks along its line or,
AGAINST, from its end. `no_type_check` is for what `triton_kernels` says.
"""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

import math
from typing import no_type_check

import triton
import triton.language as tl

PIECE: tl.constexpr = tl.constexpr(16)
"""Inputs of delta that one product projects: no fewer make a matrix product for Triton."""
LOG2_E: tl.constexpr = tl.constexpr(math.log2(math.e))
OF_TENSOR_CORES: tl.constexpr = tl.constexpr(-(1 << 13))
"""The bits of a float32 that tensor cores take of it: all but the last 13."""


@triton.jit
@no_type_check
def load_delta(delta, low, weight, bias, row, own, on, in_channels, MAP: tl.constexpr, RANK: tl.constexpr):
    """Load what the deltas of a direction come from: the bias, and delta itself or the first inputs and their weights.

    `row` is where the direction's inputs of each cell lie, `own` where parameters of each channel do.
    """
    offset = tl.load(bias + own, in_channels, 0.0)
    if MAP:
        low_piece, weight_piece = _load_piece(low, weight, row, own, on, in_channels, 0, RANK)
    else:
        low_piece, weight_piece = tl.load(delta, on[:, None] & in_channels[None, :], 0.0), offset
    return offset, low_piece, weight_piece


@triton.jit
@no_type_check
def before_softplus(
    given, low, weight, row, own, on, in_channels, MAP: tl.constexpr, RANK: tl.constexpr, NUMBER: tl.constexpr
):
    """Project deltas, of which `load_delta` has loaded what is `given`, and add the bias."""
    offset, low_piece, weight_piece = given
    if MAP:
        raw = tl.zeros((on.shape[0], in_channels.shape[0]), NUMBER)
        for start in tl.static_range(0, RANK, PIECE):
            if start > 0:
                # All pieces at once would take more registers than a thread may have.
                low_piece, weight_piece = _load_piece(low, weight, row, own, on, in_channels, start, RANK)
            raw = product(low_piece, weight_piece.to(NUMBER), raw, NUMBER)
        # A product leaves steps spread over threads, and all that is computed from it would lie so. This scan changes no
        # number, but is computed with the steps of a channel in one thread, and so is what follows.
        raw = tl.associative_scan(raw, 0, _right)
    else:
        raw = low_piece.to(NUMBER)
    return raw + offset.to(NUMBER)[None, :]


@triton.jit
@no_type_check
def product(left, right, total, NUMBER: tl.constexpr):
    """Add the matrix product of `left`, which may be in half precision, and `right` to `total`, as float32 would.

    Tensor cores take ten bits of the fraction of a float32, so it takes products of the first bits, and of each rest
    with the other's first bits. A number in half precision has no rest.
    """
    if NUMBER == tl.float64:  # noqa: SIM300
        total = tl.dot(left.to(NUMBER), right, total, out_dtype=NUMBER)
    else:
        right_first = _first_bits(right)
        if left.dtype.primitive_bitwidth == 16:
            left_first = left.to(NUMBER)
        else:
            left_first = _first_bits(left)
            total = tl.dot(left - left_first, right_first, total, input_precision="tf32")
        total = tl.dot(left_first, right - right_first, total, input_precision="tf32")
        total = tl.dot(left_first, right_first, total, input_precision="tf32")
    return total


@triton.jit
@no_type_check
def _first_bits(x):
    return (x.to(tl.int32, bitcast=True) & OF_TENSOR_CORES).to(tl.float32, bitcast=True)


@triton.jit
@no_type_check
def _load_piece(low, weight, row, own, on, in_channels, start, RANK: tl.constexpr):
    """Load PIECE inputs of delta of every cell, and their weights for every channel."""
    rank = start + tl.arange(0, PIECE)
    in_rank = rank < RANK
    return (
        tl.load(low + row[:, None] + rank[None, :], on[:, None] & in_rank[None, :], 0.0),
        tl.load((weight + own * RANK)[None, :] + rank[:, None], in_rank[:, None] & in_channels[None, :], 0.0),
    )


@triton.jit
@no_type_check
def _right(left, right):
    return right


@triton.jit
@no_type_check
def step_sizes(raw, inside, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr):
    """Compute delta, 0 outside, where it moves no state."""
    return tl.where(inside, softplus(raw, NUMBER) if SOFTPLUS else raw, 0.0)


@triton.jit
@no_type_check
def fade(step, slope, NUMBER: tl.constexpr):
    """exp(step * slope): how much of a state a step leaves."""
    if NUMBER == tl.float64:  # noqa: SIM300
        return tl.exp(step * slope)
    # One instruction, where `tl.exp` takes four to keep numbers below 1e-38.
    return tl.exp2(step * (slope * LOG2_E))


@triton.jit
@no_type_check
def walk(decay, drive, start, AGAINST: tl.constexpr):
    """Walk h <- decay h + drive through a chunk, from `start`; returns h before and after every step."""
    if AGAINST:
        decay, drive = tl.flip(decay, 0), tl.flip(drive, 0)
    first = (tl.arange(0, decay.shape[0]) == 0)[:, None]
    # x * 1 + -0 is x, whatever x is, which compilers know: of the second pair nothing is left but names.
    # Written out, Triton would make of -0 the other zero.
    nothing = tl.zeros(decay.shape, decay.dtype) * -1.0
    before = tl.where(first, start[None, :], nothing)
    drive = tl.where(first, decay * start[None, :] + drive, drive)
    kept = tl.full(decay.shape, 1.0, decay.dtype)
    _, after, _, before = tl.associative_scan((decay, drive, kept, before), 0, _follow)
    if AGAINST:
        before, after = tl.flip(before, 0), tl.flip(after, 0)
    return before, after


@triton.jit
@no_type_check
def _follow(decay, drive, kept, before, next_decay, next_drive, next_kept, next_before):
    """Join two stretches of a walk: what each does to a state, and what it does up to its last step."""
    return (
        decay * next_decay,
        next_decay * drive + next_drive,
        decay * next_kept,
        next_kept * drive + next_before,
    )


@triton.jit
@no_type_check
def last(values, AGAINST: tl.constexpr):
    """Take the values at the end of a walk."""
    end: tl.constexpr = 0 if AGAINST else values.shape[0] - 1
    return tl.sum(tl.where((tl.arange(0, values.shape[0]) == end)[:, None], values, 0.0), 0)


@triton.jit
@no_type_check
def span(step, beside):
    """Sum the steps of a chunk, where the threads have what lies `beside` them, of which nothing is computed."""
    total, _ = tl.reduce((step, beside), 0, _add_both)
    return total


@triton.jit
@no_type_check
def _add_both(left, left_beside, right, right_beside):
    return left + right, left_beside + right_beside


@triton.jit
@no_type_check
def softplus(x, NUMBER: tl.constexpr):
    """log(1 + exp(x)), precise where exp(x) vanishes beside 1."""
    e = fade(tl.abs(x), -1.0, NUMBER)
    if NUMBER == tl.float64:  # noqa: SIM300
        one_more = 1.0 + e
        log1p = tl.where(
            one_more == 1.0, e, tl.log(one_more) * e / tl.where(one_more == 1.0, 1.0, one_more - 1.0)
        )
    else:
        log1p = e * _log1p_share(e)
    return tl.maximum(x, 0.0) + log1p


@triton.jit
@no_type_check
def _log1p_share(e):
    """log(1 + e) / e for e in [0, 1], to 1.6e-7 in float32: a polynomial fitted to the least largest relative error."""
    share = e * -0.0032440214417874813 + 0.0198514461517334
    share = share * e - 0.05695950612425804
    share = share * e + 0.10603652149438858
    share = share * e - 0.15305590629577637
    share = share * e + 0.1967593878507614
    share = share * e - 0.24954134225845337
    share = share * e + 0.3332996368408203
    share = share * e - 0.4999990165233612
    return share * e + 1.0


@triton.jit
@no_type_check
def slope_of_softplus(step, NUMBER: tl.constexpr):
    """1 - exp(-step): the slope of softplus where it has the value `step`, precise where that is near 0."""
    if NUMBER == tl.float64:  # noqa: SIM300
        share = tl.full(step.shape, 1.0, NUMBER)
        for i in tl.static_range(15):
            share = 1.0 - step * (share * (1.0 / (16 - i)))
    else:
        share = _slope_share(step)
    return tl.where(step < 0.5, step * share, 1.0 - fade(step, -1.0, NUMBER))


@triton.jit
@no_type_check
def _slope_share(step):
    """(1 - exp(-step)) / step for steps in [0, 0.5], to 1e-7 in float32, fitted as `_log1p_share` is."""
    share = step * -0.0011234042467549443 + 0.008189613930881023
    share = share * step - 0.04163007438182831
    share = share * step + 0.16666242480278015
    share = share * step - 0.4999998211860657
    return share * step + 1.0
