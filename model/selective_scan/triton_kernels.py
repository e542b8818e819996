"""Triton kernels of the selective scan: a thread follows one channel through a chunk of time.

Time is cut into chunks of STEPS, short enough to lie in registers. Forward, `chunk_ends` scans every chunk from a state
of zero, `carry` leads states from chunk to chunk, and `scan` scans again from the states that enter. Backward, the
other way round in time, from `triton_gradients`: `chunk_starts_gradients`, `carry`, `scan_gradients`. Chunks wait for
one another only in `carry`, which reads a state where the others read STEPS numbers. `triton_traffic` counts what all
of them move.

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

What a GPU is given to do besides arithmetic is mostly addresses and masks, so a map that is cut without remainder, as
all of DASS are at 1024 frames, has neither: see `triton_places.locate`.

`no_type_check` keeps run-time type checkers off functions that Triton must read as written.
"""

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
    span,
    step_sizes,
    walk,
)
from model.selective_scan.triton_places import SIZES, entering, groups_of, locate, of_state


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def chunk_ends(
    u, delta, low, weight, bias, A, B, ends, spans,
    length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr, SOFTPLUS: tl.constexpr,
    NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
    EVEN: tl.constexpr, LINE: tl.constexpr,
):  # fmt: skip
    """Write each chunk's last state from a state of zero, and its sum of delta."""
    line = LINE if MAP else tl.program_id(1)
    chunk, chunks, channel, in_channels, sample, _, on, at, u_start, inside, row, in_start, own = locate(
        line, length, width, channels, u_cell, u_group, in_cell, in_group, HEIGHT, MAP, STEPS, CHANNELS, EVEN
    )  # fmt: skip
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    u, delta = u + u_start, delta + u_start
    low, B = low + in_start, B + in_start
    at_end = (sample * groups_of(MAP) + line) * chunks + chunk
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
        slope, into = of_state(A, B, own, on, in_channels, state, STATES, NUMBER)
        _, after = walk(fade(step, slope, NUMBER), drive * into, nothing, AGAINST)
        tl.store(ends + (at_end * STATES + state) * channels + channel, last(after, AGAINST), in_channels)
    tl.store(spans + at_end * channels + channel, span(step, drive), in_channels)


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
        spanned = tl.load(spans + (row * channels)[:, None] + channel[None, :], inside, 0.0)
        _, after = walk(fade(spanned, slope[None, :], NUMBER), end, h, False)
        tl.store(ends + at, after, inside)
        h = last(after, False)


@triton.jit(do_not_specialize=SIZES)
@no_type_check
def scan(
    u, delta, low, weight, bias, A, B, C, D, carried, y,
    length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, RANK: tl.constexpr, STATES: tl.constexpr,
    SOFTPLUS: tl.constexpr, NUMBER: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
    EVEN: tl.constexpr, LINE: tl.constexpr,
):  # fmt: skip
    """Write the outputs of a line, both directions of a map summed; of LINE 1, add them to what `y` holds."""
    line = LINE if MAP else tl.program_id(1)
    chunk, chunks, channel, in_channels, sample, _, on, at, u_start, inside, row, in_start, own = locate(
        line, length, width, channels, u_cell, u_group, in_cell, in_group, HEIGHT, MAP, STEPS, CHANNELS, EVEN
    )  # fmt: skip
    row_2, own_2 = row + 2 * in_group, own + 2 * channels
    u, delta, y = u + u_start, delta + u_start, y + u_start
    low, B, C = low + in_start, B + in_start, C + in_start
    at_end = (sample * groups_of(MAP) + line) * chunks
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
    if LINE == 1:
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
        start = entering(
            carried, at_end, chunk, chunks, state, channel, in_channels, channels, STATES, AGAINST
        )
        slope, into = of_state(A, B, own, on, in_channels, state, STATES, NUMBER)
        out_of = tl.load(C + state, on, 0.0).to(NUMBER)[:, None]
        _, h = walk(fade(step, slope, NUMBER), drive * into, start, AGAINST)
        total += h * out_of
    return total
