"""Triton kernels of the selective scan, forward and backward: a thread follows one channel through a chunk of time.

Time is cut into chunks of STEPS, short enough to lie in registers. Forward, `chunk_ends` scans every chunk from a state
of zero, `carry` leads states from chunk to chunk, and `scan` scans again from the states that enter. Backward, the
other way round in time: `chunk_starts_gradients`, `carry`, `scan_gradients`. Chunks wait for one another only in
`carry`, which reads a state where the others read STEPS numbers. `triton_traffic` counts what all of them move.

Of a map, a line is an order of its cells: 0 by rows, 1 by columns. Directions 0 and 1 walk along their line, 2 and 3
against it. A program takes both directions of a line, so that the map is read once for the two; their deltas are
projected where they are used, and never stored. Sequences have one direction, and are given delta; there, a line is a
group of channels with its own B and C.

Channels are the last axis of all tensors, so the threads of a warp read neighbouring numbers in any order of cells.
Sums over programs are left to the caller, in a fixed order: nothing is added atomically, so the same machine gives the
same bits.

Two things keep a chunk in registers. Sizes are not specialised: where Triton finds strides to be multiples of 16, it
lets a thread read 8 neighbouring channels, and spreads the steps of a chunk over threads. And an order is turned round
by `tl.flip`, of which nothing is left after compilation, where a scan in reverse exchanges all its numbers between
threads.

`no_type_check` keeps run-time type checkers off functions that Triton must read as written.
"""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

from model.selective_scan.triton_functions import (
    before_softplus,
    last,
    load_delta,
    slope_of_softplus,
    step_sizes,
    walk,
)

SIZES = (
    "first", "length", "width", "channels", "u_cell", "u_group", "in_cell", "in_group", "in_part", "chunks",
    "d_group", "rows",
)  # fmt: skip


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def chunk_ends(
    u, delta, low, weight, bias, A, B, ends, spans,
    length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr, SOFTPLUS: tl.constexpr,
    NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write each chunk's last state from a state of zero, and its sum of delta."""
    chunk, chunks, channel, in_channels, sample = _place(length, channels, STEPS, CHANNELS)
    line = tl.program_id(1)
    cell, on = _cells(chunk, line, length, width, HEIGHT, MAP, STEPS)
    inside = on[:, None] & in_channels[None, :]
    at = (cell * u_cell + line * u_group)[:, None] + channel[None, :]
    row, own = cell * in_cell + line * in_group, line * channels + channel
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    u, delta = u + sample * length * u_cell, delta + sample * length * u_cell
    low, B = low + sample * length * in_cell, B + sample * length * in_cell
    at_end = (sample * _groups(MAP) + line) * chunks + chunk
    x = tl.load(u + at, inside, 0.0)
    given = load_delta(delta + at, low, weight, bias, row, own, on, in_channels, MAP, RANK)
    if MAP:
        given_2 = load_delta(delta + at, low, weight, bias, row_2, own_2, on, in_channels, MAP, RANK)
    raw = before_softplus(given, low, weight, row, own, on, in_channels, MAP, RANK, NUMBER)
    if MAP:
        raw_2 = before_softplus(given_2, low, weight, row_2, own_2, on, in_channels, MAP, RANK, NUMBER)
    x = x.to(NUMBER)
    _write_chunk_end(
        x, raw, A, B + row, own, ends, spans, at_end, on, inside, channel, in_channels, channels,
        STATES, SOFTPLUS, NUMBER, False,
    )  # fmt: skip
    if MAP:
        _write_chunk_end(
            x, raw_2, A, B + row_2, own_2, ends, spans, at_end + 2 * chunks, on, inside, channel, in_channels,
            channels, STATES, SOFTPLUS, NUMBER, True,
        )  # fmt: skip


@triton.jit
@no_type_check
def _write_chunk_end(
    x, raw, A, B, own, ends, spans, at_end, on, inside, channel, in_channels, channels,
    STATES: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, AGAINST: tl.constexpr,
):  # fmt: skip
    step = step_sizes(raw, inside, SOFTPLUS, NUMBER)
    drive = step * x
    nothing = tl.zeros(channel.shape, NUMBER)
    for state in range(STATES):
        slope, into = _of_state(A, B, own, on, in_channels, state, STATES, NUMBER)
        _, after = walk(tl.exp(step * slope), drive * into, nothing, AGAINST)
        tl.store(ends + (at_end * STATES + state) * channels + channel, last(after, AGAINST), in_channels)
    tl.store(spans + at_end * channels + channel, tl.sum(step, 0), in_channels)


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def carry(
    ends, spans, A, chunks, channels,
    MAP: tl.constexpr, BACK: tl.constexpr, STATES: tl.constexpr, NUMBER: tl.constexpr,
    CHUNKS: tl.constexpr, TURNS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Turn the chunks' own last states into the states that leave them, in place; BACK: gradients, led back in time.

    An end fades by exp(A * sum of delta) over each later chunk. A program follows a state of its channels through all
    chunks, CHUNKS at a turn.
    """
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    in_channels = channel < channels
    group = tl.program_id(1)
    sample, state = (tl.program_id(2) // STATES).to(tl.int64), tl.program_id(2) % STATES
    at_group = (sample * tl.num_programs(1) + group) * chunks
    slope = tl.load(A + (group * channels + channel) * STATES + state, in_channels, 0.0).to(NUMBER)
    from_end = tl.full((CHUNKS,), BACK, tl.int1)
    if MAP:
        from_end = from_end ^ (group >= 2)
    h = tl.zeros((CHANNELS,), NUMBER)
    for i in range(TURNS):
        turn = i * CHUNKS + tl.arange(0, CHUNKS)
        row = at_group + tl.where(from_end, chunks - 1 - turn, turn)
        inside = (turn < chunks)[:, None] & in_channels[None, :]
        at = ((row * STATES + state) * channels)[:, None] + channel[None, :]
        end = tl.load(ends + at, inside, 0.0)
        span = tl.load(spans + (row * channels)[:, None] + channel[None, :], inside, 0.0)
        _, after = walk(tl.exp(span * slope[None, :]), end, h, False)
        tl.store(ends + at, after, inside)
        h = last(after, False)


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def scan(
    u, delta, low, weight, bias, A, B, C, D, carried, y,
    first, length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, ADD: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr,
    SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the outputs of lines, both directions of a map summed; with ADD, add them to what `y` holds."""
    chunk, chunks, channel, in_channels, sample = _place(length, channels, STEPS, CHANNELS)
    line = first + tl.program_id(1)
    cell, on = _cells(chunk, line, length, width, HEIGHT, MAP, STEPS)
    inside = on[:, None] & in_channels[None, :]
    at = (cell * u_cell + line * u_group)[:, None] + channel[None, :]
    row, own = cell * in_cell + line * in_group, line * channels + channel
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    u, delta, y = u + sample * length * u_cell, delta + sample * length * u_cell, y + sample * length * u_cell
    low, B, C = low + sample * length * in_cell, B + sample * length * in_cell, C + sample * length * in_cell
    at_end = (sample * _groups(MAP) + line) * chunks
    x = tl.load(u + at, inside, 0.0)
    given = load_delta(delta + at, low, weight, bias, row, own, on, in_channels, MAP, RANK)
    skip = tl.load(D + own, in_channels, 0.0).to(NUMBER)
    if MAP:
        given_2 = load_delta(delta + at, low, weight, bias, row_2, own_2, on, in_channels, MAP, RANK)
        skip += tl.load(D + own_2, in_channels, 0.0).to(NUMBER)
    raw = before_softplus(given, low, weight, row, own, on, in_channels, MAP, RANK, NUMBER)
    if MAP:
        raw_2 = before_softplus(given_2, low, weight, row_2, own_2, on, in_channels, MAP, RANK, NUMBER)
    x = x.to(NUMBER)
    total = _outputs(
        x, raw, A, B + row, C + row, own, carried, at_end, chunk, chunks, on, inside, channel, in_channels, channels,
        STATES, SOFTPLUS, NUMBER, False,
    )  # fmt: skip
    total += skip[None, :] * x
    if MAP:
        total += _outputs(
            x, raw_2, A, B + row_2, C + row_2, own_2, carried, at_end + 2 * chunks, chunk, chunks, on, inside,
            channel, in_channels, channels, STATES, SOFTPLUS, NUMBER, True,
        )  # fmt: skip
    if ADD:
        total += tl.load(y + at, inside, 0.0)
    tl.store(y + at, total, inside)


@triton.jit
@no_type_check
def _outputs(
    x, raw, A, B, C, own, carried, at_end, chunk, chunks, on, inside, channel, in_channels, channels,
    STATES: tl.constexpr, SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, AGAINST: tl.constexpr,
):  # fmt: skip
    """Scan a direction of a chunk from the state that enters it; returns C h of every step."""
    step = step_sizes(raw, inside, SOFTPLUS, NUMBER)
    drive = step * x
    total = tl.zeros(inside.shape, NUMBER)
    for state in range(STATES):
        start = _entering(
            carried, at_end, chunk, chunks, state, channel, in_channels, channels, STATES, AGAINST
        )
        slope, into = _of_state(A, B, own, on, in_channels, state, STATES, NUMBER)
        out_of = tl.load(C + state, on, 0.0).to(NUMBER)[:, None]
        _, h = walk(tl.exp(step * slope), drive * into, start, AGAINST)
        total += h * out_of
    return total


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def chunk_starts_gradients(
    dy, delta, low, weight, bias, A, C, arrivals, spans,
    length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr, SOFTPLUS: tl.constexpr,
    NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the gradient of the state that enters each chunk as if nothing came after it, and its sum of delta."""
    chunk, chunks, channel, in_channels, sample = _place(length, channels, STEPS, CHANNELS)
    line = tl.program_id(1)
    cell, on = _cells(chunk, line, length, width, HEIGHT, MAP, STEPS)
    inside = on[:, None] & in_channels[None, :]
    at = (cell * u_cell + line * u_group)[:, None] + channel[None, :]
    row, own = cell * in_cell + line * in_group, line * channels + channel
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    dy, delta = dy + sample * length * u_cell, delta + sample * length * u_cell
    low, C = low + sample * length * in_cell, C + sample * length * in_cell
    at_end = (sample * _groups(MAP) + line) * chunks + chunk
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
        slope, out_of = _of_state(A, C, own, on, in_channels, state, STATES, NUMBER)
        decay = tl.exp(step * slope)
        _, after = walk(decay, decay * upstream * out_of, nothing, not AGAINST)
        arrival = last(after, not AGAINST)
        tl.store(arrivals + (at_end * STATES + state) * channels + channel, arrival, in_channels)
    tl.store(spans + at_end * channels + channel, tl.sum(step, 0), in_channels)


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def scan_gradients(
    u, dy, delta, low, weight, bias, A, B, C, D, carried, arrivals, partial,
    du, ddelta, dB, dC, dbias, dA, dD,
    first, length, width, channels, u_cell, u_group, in_cell, in_group, d_group, in_part,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, ADD: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr,
    SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Write the gradients of lines: du, with ADD added to `partial`, and ddelta; dB and dC per block of channels; those
    of parameters per chunk. All directions of a map have the same dD, which is written without ADD."""
    chunk, chunks, channel, in_channels, sample = _place(length, channels, STEPS, CHANNELS)
    line, groups = first + tl.program_id(1), _groups(MAP)
    cell, on = _cells(chunk, line, length, width, HEIGHT, MAP, STEPS)
    inside = on[:, None] & in_channels[None, :]
    at = (cell * u_cell + line * u_group)[:, None] + channel[None, :]
    row, own = cell * in_cell + line * in_group, line * channels + channel
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    u, delta, dy = (
        u + sample * length * u_cell,
        delta + sample * length * u_cell,
        dy + sample * length * u_cell,
    )
    partial, du = partial + sample * length * u_cell, du + sample * length * u_cell
    ddelta += sample * length * u_cell + line.to(tl.int64) * d_group
    low, B, C = low + sample * length * in_cell, B + sample * length * in_cell, C + sample * length * in_cell
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
    if not ADD:
        at_dD = at_chunk // 4 + channel if MAP else at_chunk + own
        tl.store(dD + at_dD, tl.sum(upstream * x, 0), in_channels)
    dx = _direction_gradients(
        x, upstream, raw, A, B + row, C + row, own, carried, arrivals, at_end, chunk, chunks,
        ddelta + at, dB + row_d, dC + row_d, dbias + at_chunk + own, dA + at_chunk * STATES, on, inside, channel,
        in_channels, channels, STATES, SOFTPLUS, NUMBER, False,
    )  # fmt: skip
    if ADD:
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
        dx = dx_2 + (tl.load(partial + at, inside, 0.0) if ADD else dx)
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
        enters = _entering(
            carried, at_end, chunk, chunks, state, channel, in_channels, channels, STATES, AGAINST
        )
        slope, into = _of_state(A, B, own, on, in_channels, state, STATES, NUMBER)
        decay = tl.exp(step * slope)
        # States are scanned again from the one that entered: to run the recurrence backwards would divide by decays
        # near 0.
        before, _ = walk(decay, drive * into, enters, AGAINST)
        faded = decay * before
        tl.store(dC + state, tl.sum(upstream * (faded + drive * into), 1), on)
        # After the store, as C and what leaves would take registers that the states need.
        out_of = tl.load(C + state, on, 0.0).to(NUMBER)[:, None]
        leaves = _entering(
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
        x = tl.load(low + (row * in_cell)[:, None] + rank[None, :], in_low, 0.0).to(NUMBER)
        of_low = tl.dot(d, w, input_precision="tf32x3", out_dtype=NUMBER)
        total = tl.dot(tl.trans(x), d, total, input_precision="tf32x3", out_dtype=NUMBER)
        tl.store(dlow + (row * RANK)[:, None] + rank[None, :], of_low, in_low)
    at = ((piece * tl.num_programs(2) + group) * channels + channel)[None, :] * RANK + rank[:, None]
    tl.store(dweight + at, total, in_rank[:, None] & in_channels[None, :])


@triton.jit
@no_type_check
def _place(length, channels, STEPS: tl.constexpr, CHANNELS: tl.constexpr):
    """Find the program's stretch of STEPS, how many there are, its channels, which of these exist, and its sample."""
    stretches = tl.cdiv(length, STEPS)
    stretch = tl.program_id(0) % stretches
    channel = tl.program_id(0) // stretches * CHANNELS + tl.arange(0, CHANNELS)
    return stretch, stretches, channel, channel < channels, tl.program_id(2).to(tl.int64)


@triton.jit
@no_type_check
def _groups(MAP: tl.constexpr):
    """Count directions of a map, or groups of sequences."""
    return 4 if MAP else tl.num_programs(1)


@triton.jit
@no_type_check
def _cells(chunk, line, length, width, HEIGHT: tl.constexpr, MAP: tl.constexpr, STEPS: tl.constexpr):
    """Find the row-major cells of a chunk, and which of them exist."""
    step = chunk * STEPS + tl.arange(0, STEPS)
    cell = tl.where(line == 1, step % HEIGHT * width + step // HEIGHT, step) if MAP else step
    return cell, step < length


@triton.jit
@no_type_check
def _entering(
    carried, at_end, chunk, chunks, state, channel, in_channels, channels,
    STATES: tl.constexpr, AGAINST: tl.constexpr,
):  # fmt: skip
    """Load what the chunk before leaves, or AGAINST the chunk after; nothing enters the first of a walk."""
    neighbour = chunk + 1 if AGAINST else chunk - 1
    there = (neighbour >= 0) & (neighbour < chunks)
    at = ((at_end + neighbour) * STATES + state) * channels
    return tl.load(carried + at + channel, in_channels & there, 0.0)


@triton.jit
@no_type_check
def _of_state(A, shared, own, on, in_channels, state, STATES: tl.constexpr, NUMBER: tl.constexpr):
    """Load A of each channel, and B or C of each cell; deltas have brought in the sectors where these lie."""
    slope = tl.load(A + own * STATES + state, in_channels, 0.0).to(NUMBER)
    return slope[None, :], tl.load(shared + state, on, 0.0).to(NUMBER)[:, None]
