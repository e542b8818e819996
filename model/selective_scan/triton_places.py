"""Where the numbers of a Triton program of the selective scan lie: its chunk of a line, and the states beside it.

`no_type_check` is for what `triton_kernels` says.
"""

# pyright: reportGeneralTypeIssues=false
from __future__ import annotations

from typing import no_type_check

import triton
import triton.language as tl

SIZES = (
    "first", "length", "width", "channels", "u_cell", "u_group", "in_cell", "in_group", "in_part", "chunks",
    "d_group", "rows",
)  # fmt: skip
"""Arguments of all kernels, for whose values Triton must not compile kernels of their own (`triton_kernels`)."""


@triton.jit
@no_type_check
def locate(
    line, length, width, channels, u_cell, u_group, in_cell, in_group,
    HEIGHT: tl.constexpr, MAP: tl.constexpr, STEPS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Find where the numbers of a program's chunk of a line lie.

    Returns the chunk, and how many there are; the program's channels, and which of them exist; the sample; the row-major
    cells of the chunk, and which of them exist; offsets of the map (steps, channels), and which of these exist; offsets
    of the inputs of each cell, and of the parameters of each channel.
    """
    chunks = tl.cdiv(length, STEPS)
    chunk = tl.program_id(0) % chunks
    channel = tl.program_id(0) // chunks * CHANNELS + tl.arange(0, CHANNELS)
    in_channels = channel < channels
    step = chunk * STEPS + tl.arange(0, STEPS)
    cell = tl.where(line == 1, step % HEIGHT * width + step // HEIGHT, step) if MAP else step
    on = step < length
    at = (cell * u_cell + line * u_group)[:, None] + channel[None, :]
    inside = on[:, None] & in_channels[None, :]
    row, own = cell * in_cell + line * in_group, line * channels + channel
    return chunk, chunks, channel, in_channels, tl.program_id(2).to(tl.int64), cell, on, at, inside, row, own


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
