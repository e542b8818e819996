"""Where the numbers of a Triton program of the selective scan lie: its chunk of a line, and the states beside it.

`no_type_check` is for what `triton_kernels` says.
"""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

SIZES = (
    "length", "width", "channels", "u_cell", "u_group", "in_cell", "in_group", "in_part", "chunks",
    "d_group", "rows",
)  # fmt: skip
"""Arguments of all kernels, for whose values Triton must not compile kernels of their own (`triton_kernels`)."""


@triton.jit
@no_type_check
def locate(
    line, length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr, EVEN: tl.constexpr,
):  # fmt: skip
    """Find where the numbers of a program's chunk of a line lie.

    Returns the chunk, and how many there are; the program's channels, and which of them exist; the sample; the
    row-major cells of the chunk, and which of them exist; offsets of the map (steps, channels), from where to count
    them, and which of these exist; offsets of the inputs of each cell, and from where; and those of the parameters of
    each channel.

    A map that is cut without remainder, with EVEN its width and how far apart its cells lie in the map and in their
    inputs, has all chunks alike: offsets from the first cell are constants, which instructions hold, and all exist.
    """
    chunks = tl.cdiv(length, STEPS)
    chunk = tl.program_id(0) % chunks
    channel = tl.program_id(0) // chunks * CHANNELS + tl.arange(0, CHANNELS)
    sample = tl.program_id(2).to(tl.int64)
    own = line * channels + channel
    step = tl.arange(0, STEPS)
    first = chunk * STEPS
    if EVEN is None:
        in_channels = channel < channels
        step += first
        cell = tl.where(line == 1, step % HEIGHT * width + step // HEIGHT, step) if MAP else step
        on = step < length
        at = (cell * u_cell + line * u_group)[:, None] + channel[None, :]
        inside = on[:, None] & in_channels[None, :]
        row = cell * in_cell + line * in_group
        u_start, in_start = sample * length * u_cell, sample * length * in_cell
    else:
        in_channels = tl.full((CHANNELS,), 1, tl.int1)
        on = tl.full((STEPS,), 1, tl.int1)
        inside = on[:, None] & in_channels[None, :]
        step = step.to(tl.int64)
        if line == 1:
            first = first % HEIGHT * width + first // HEIGHT
            step = step % HEIGHT * EVEN[0] + step // HEIGHT
        at, row = (step * EVEN[1])[:, None], step * EVEN[2]
        # By sizes that Triton does not know, for what the header of `triton_kernels` says.
        u_start = (sample * length + first) * u_cell + channel[None, :]
        in_start = (sample * length + first) * in_cell + line * in_group
        cell = first + step
    return chunk, chunks, channel, in_channels, sample, cell, on, at, u_start, inside, row, in_start, own


@triton.jit
@no_type_check
def groups_of(MAP: tl.constexpr):
    """Count directions of a map, or groups of sequences."""
    return 4 if MAP else tl.num_programs(1)


@triton.jit
@no_type_check
def entering(
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
def of_state(A, shared, own, on, in_channels, state, STATES: tl.constexpr, NUMBER: tl.constexpr):
    """Load A of each channel, and B or C of each cell; deltas have brought in the sectors where these lie."""
    slope = tl.load(A + own * STATES + state, in_channels, 0.0).to(NUMBER)
    return slope[None, :], tl.load(shared + state, on, 0.0).to(NUMBER)[:, None]
