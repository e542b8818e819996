"""Triton kernels of the gradients of the selective scan, for whose chunks, lines and sums see `triton_kernels`."""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

from model.selective_scan.triton_functions import (
    before_softplus,
    fade,
    last,
    load_delta,
    product,
    slope_of_softplus,
    span,
    step_sizes,
    walk,
)
from model.selective_scan.triton_places import SIZES, entering, groups_of, locate, of_state


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def chunk_starts_gradients(
    dy, delta, low, weight, bias, A, C, arrivals, spans,
    length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr, SOFTPLUS: tl.constexpr,
    NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
    EVEN: tl.constexpr, LINE: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the state that enters each chunk as if nothing came after it, and its sum of delta."""
    line = LINE if MAP else tl.program_id(1)
    chunk, chunks, channel, in_channels, sample, _, on, at, u_start, inside, row, in_start, own = locate(
        line, length, width, channels, u_cell, u_group, in_cell, in_group, HEIGHT, MAP, STEPS, CHANNELS, EVEN
    )  # fmt: skip
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    dy, delta = dy + u_start, delta + u_start
    low, C = low + in_start, C + in_start
    at_end = (sample * groups_of(MAP) + line) * chunks + chunk
    upstream = tl.load(dy + at, inside, 0.0)
    given = load_delta(delta + at, low, weight, bias, row, own, on, in_channels, MAP, RANK)
    if MAP:
        given_2 = load_delta(delta + at, low, weight, bias, row_2, own_2, on, in_channels, MAP, RANK)
    raw = before_softplus(given, low, weight, row, own, on, in_channels, MAP, RANK, NUMBER)
    if MAP:
        raw_2 = before_softplus(given_2, low, weight, row_2, own_2, on, in_channels, MAP, RANK, NUMBER)
    upstream = upstream.to(NUMBER)
    _write_chunk_start(
        upstream, raw, A, C + row, own, arrivals, spans, at_end, on, inside, channel, in_channels, channels,
        STATES, SOFTPLUS, NUMBER, False,
    )  # fmt: skip
    if MAP:
        _write_chunk_start(
            upstream, raw_2, A, C + row_2, own_2, arrivals, spans, at_end + 2 * chunks, on, inside, channel,
            in_channels, channels, STATES, SOFTPLUS, NUMBER, True,
        )  # fmt: skip


@triton.jit
@no_type_check
def _write_chunk_start(
    upstream, raw, A, C, own, arrivals, spans, at_end, on, inside, channel, in_channels, channels,
    STATES: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, AGAINST: tl.constexpr,
):  # fmt: skip
    step = step_sizes(raw, inside, SOFTPLUS, NUMBER)
    nothing = tl.zeros(channel.shape, NUMBER)
    for state in range(STATES):
        slope, out_of = of_state(A, C, own, on, in_channels, state, STATES, NUMBER)
        decay = fade(step, slope, NUMBER)
        _, after = walk(decay, decay * upstream * out_of, nothing, not AGAINST)
        arrival = last(after, not AGAINST)
        tl.store(arrivals + (at_end * STATES + state) * channels + channel, arrival, in_channels)
    tl.store(spans + at_end * channels + channel, span(step, upstream), in_channels)


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def scan_gradients(
    u, dy, delta, low, weight, bias, A, B, C, D, carried, arrivals, partial,
    du, ddelta, dB, dC, dbias, dA, dD,
    length, width, channels, u_cell, u_group, in_cell, in_group, d_group, in_part,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr,
    SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
    EVEN: tl.constexpr, LINE: tl.constexpr,
):  # fmt: skip
    """Write the gradients of a line: du, of LINE 1 added to `partial`, and ddelta; dB and dC per block of channels;
    those of parameters per chunk. All directions of a map have the same dD, which LINE 0 writes."""
    line, groups = LINE if MAP else tl.program_id(1), groups_of(MAP)
    chunk, chunks, channel, in_channels, sample, cell, on, at, u_start, inside, row, in_start, own = locate(
        line, length, width, channels, u_cell, u_group, in_cell, in_group, HEIGHT, MAP, STEPS, CHANNELS, EVEN
    )  # fmt: skip
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    u, delta, dy = u + u_start, delta + u_start, dy + u_start
    partial, du = partial + u_start, du + u_start
    # Twice a direction of a large batch is more than 32 bits count.
    d_group = d_group.to(tl.int64)
    ddelta += u_start + line * d_group
    low, B, C = low + in_start, B + in_start, C + in_start
    # Gradients of B and C lie by blocks of channels, samples, cells, groups and states.
    part = (tl.program_id(0) // chunks).to(tl.int64) * in_part + sample * length * groups * STATES
    row_d = part + (cell * groups + line) * STATES
    at_end = (sample * groups + line) * chunks
    at_chunk = (sample * chunks + chunk) * groups * channels
    x = tl.load(u + at, inside, 0.0)
    upstream = tl.load(dy + at, inside, 0.0)
    given = load_delta(delta + at, low, weight, bias, row, own, on, in_channels, MAP, RANK)
    skip = tl.load(D + own, in_channels, 0.0).to(NUMBER)
    if MAP:
        skip += tl.load(D + own_2, in_channels, 0.0).to(NUMBER)
    raw = before_softplus(given, low, weight, row, own, on, in_channels, MAP, RANK, NUMBER)
    x, upstream = x.to(NUMBER), upstream.to(NUMBER)
    if LINE == 0:
        at_dD = at_chunk // 4 + channel if MAP else at_chunk + own
        tl.store(dD + at_dD, tl.sum(upstream * x, 0), in_channels)
    dx = _direction_gradients(
        x, upstream, raw, A, B + row, C + row, own, carried, arrivals, at_end, chunk, chunks,
        ddelta + at, dB + row_d, dC + row_d, dbias + at_chunk + own, dA + at_chunk * STATES, on, inside, channel,
        in_channels, channels, STATES, SOFTPLUS, NUMBER, False,
    )  # fmt: skip
    if LINE == 1:
        # Through memory, as the sum would not fit into the registers of a thread beside the second direction.
        tl.store(partial + at, dx + tl.load(partial + at, inside, 0.0), inside)
    if MAP:
        # Nor would both directions at once.
        given_2 = load_delta(delta + at, low, weight, bias, row_2, own_2, on, in_channels, MAP, RANK)
        raw_2 = before_softplus(given_2, low, weight, row_2, own_2, on, in_channels, MAP, RANK, NUMBER)
        row_d_2 = row_d + 2 * STATES
        dx_2 = _direction_gradients(
            x, upstream, raw_2, A, B + row_2, C + row_2, own_2, carried, arrivals, at_end + 2 * chunks, chunk, chunks,
            ddelta + 2 * d_group + at, dB + row_d_2, dC + row_d_2, dbias + at_chunk + own_2, dA + at_chunk * STATES,
            on, inside, channel, in_channels, channels, STATES, SOFTPLUS, NUMBER, True,
        )  # fmt: skip
        dx = dx_2 + (tl.load(partial + at, inside, 0.0) if LINE == 1 else dx)
    dx += skip[None, :] * upstream
    tl.store(du + at, dx, inside)


@triton.jit
@no_type_check
def _direction_gradients(
    x, upstream, raw, A, B, C, own, carried, arrivals, at_end, chunk, chunks,
    ddelta, dB, dC, dbias, dA, on, inside, channel, in_channels, channels,
    STATES: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, AGAINST: tl.constexpr,
):  # fmt: skip
    """Write all gradients of a direction but du without the skip, which is returned."""
    step = step_sizes(raw, inside, SOFTPLUS, NUMBER)
    drive = step * x
    dstep = tl.zeros(inside.shape, NUMBER)
    ddrive = tl.zeros(inside.shape, NUMBER)
    for state in range(STATES):
        enters = entering(
            carried, at_end, chunk, chunks, state, channel, in_channels, channels, STATES, AGAINST
        )
        slope, into = of_state(A, B, own, on, in_channels, state, STATES, NUMBER)
        decay = fade(step, slope, NUMBER)
        # States are scanned again from the one that entered: to run the recurrence backwards would divide by decays
        # near 0.
        before, _ = walk(decay, drive * into, enters, AGAINST)
        faded = decay * before
        tl.store(dC + state, tl.sum(upstream * (faded + drive * into), 1), on)
        # After the store, as C and what leaves would take registers that the states need.
        out_of = tl.load(C + state, on, 0.0).to(NUMBER)[:, None]
        leaves = entering(
            arrivals, at_end, chunk, chunks, state, channel, in_channels, channels, STATES, not AGAINST
        )
        # What a step passes to the state before it needs what comes from the steps after it.
        of_y = upstream * out_of
        from_later, _ = walk(decay, decay * of_y, leaves, not AGAINST)
        g = of_y + from_later
        through = g * faded
        tl.store(dB + state, tl.sum(g * step * x, 1), on)
        ddrive += g * into
        dstep += through * slope
        tl.store(dA + own * STATES + state, tl.sum(through * step, 0), in_channels)
    dstep += ddrive * x
    dstep = tl.where(inside, dstep * slope_of_softplus(step, NUMBER) if SOFTPLUS else dstep, 0.0)
    tl.store(ddelta, dstep, inside)
    tl.store(dbias, tl.sum(dstep, 0), in_channels)
    return ddrive * step


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def projection_gradients(
    ddelta, low, weight, dlow, dweight, rows, channels, in_cell, in_group, d_group,
    RANK: tl.constexpr, PADDED: tl.constexpr, NUMBER: tl.constexpr, ROWS: tl.constexpr, TURNS: tl.constexpr,
    CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of what deltas of a map are projected from, for which ddelta is read once: those of inputs per
    block of channels, those of weights per program, which takes TURNS times ROWS cells of all samples.

    `dlow` is (blocks, 4, rows, rank), `dweight` (pieces, 4, channels, rank).
    """
    piece, block, group = tl.program_id(0), tl.program_id(1), tl.program_id(2).to(tl.int64)
    channel, rank = block * CHANNELS + tl.arange(0, CHANNELS), tl.arange(0, PADDED)
    in_channels, in_rank = channel < channels, rank < RANK
    own = group * channels + channel
    in_weight = in_channels[:, None] & in_rank[None, :]
    w = tl.load(weight + own[:, None] * RANK + rank[None, :], in_weight, 0.0).to(NUMBER)
    ddelta += group * d_group
    low += group * in_group
    dlow += (block * tl.num_programs(2) + group) * rows * RANK
    total = tl.zeros((PADDED, CHANNELS), NUMBER)
    for i in range(TURNS):
        row = (piece * TURNS + i) * ROWS + tl.arange(0, ROWS).to(tl.int64)
        on = row < rows
        inside = on[:, None] & in_channels[None, :]
        in_low = on[:, None] & in_rank[None, :]
        d = tl.load(ddelta + (row * channels)[:, None] + channel[None, :], inside, 0.0)
        x = tl.load(low + (row * in_cell)[:, None] + rank[None, :], in_low, 0.0)
        of_low = product(d, w, tl.zeros((ROWS, PADDED), NUMBER), NUMBER)
        total = product(tl.trans(x), d, total, NUMBER)
        tl.store(dlow + (row * RANK)[:, None] + rank[None, :], of_low, in_low)
    at = ((piece * tl.num_programs(2) + group) * channels + channel)[None, :] * RANK + rank[:, None]
    tl.store(dweight + at, total, in_rank[:, None] & in_channels[None, :])
