"""How the arguments of a scan lie in memory, and into which chunks and blocks of channels the Triton kernels cut it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

from model.selective_scan import scan_dtype

WARP = 32
STEPS = 16
"""Most steps of a chunk. The gradients hold ten arrays of a chunk in the 255 registers that a thread may have; with two
channels a thread they do not fit (`docs/benchmarks.md`)."""
RANKS = 16
"""Inputs of delta that one product projects, and so many are taken for fewer."""
CARRIED = 32
"""Chunks that are led into one another at once."""


@dataclass(frozen=True)
class Layout:
    """Where the numbers of a scan lie, and how it is cut up; the last axis of every tensor is contiguous.

    u, y and their like are (batch, length, channels of a cell), whose neighbouring cells are `u_cell` apart and the
    channels of neighbouring groups `u_group`; B, C and the inputs of delta are alike, at `in_cell` and `in_group`.
    A map is four groups that share u, and projects delta from `rank` inputs; sequences are given delta, at rank 0.
    """

    height: int
    width: int
    batch: int
    groups: int
    channels: int
    states: int
    rank: int
    u_cell: int
    u_group: int
    in_cell: int
    in_group: int
    softplus: bool
    number: torch.dtype

    @property
    def length(self) -> int:
        return self.height * self.width

    @property
    def is_map(self) -> bool:
        return self.rank > 0

    @property
    def blocks(self) -> int:
        return pieces_of(self.channels, WARP)

    @property
    def steps(self) -> int:
        """Count steps of a chunk: half of most, where numbers, several states, or several products between masks take
        more registers."""
        light = self.number == torch.float32 and self.states == 1
        return STEPS if light and (self.rank <= RANKS or self._is_cut_evenly(STEPS)) else STEPS // 2

    @property
    def padded_rank(self) -> int:
        return max(RANKS, 1 << (self.rank - 1).bit_length())

    @property
    def chunks(self) -> int:
        return pieces_of(self.length, self.steps)

    @property
    def lines(self) -> range:
        """Number the launches of a kernel: of a map one for each line, as columns add to what rows have written."""
        return range(2 if self.is_map else 1)

    @property
    def even(self) -> tuple[int, int, int] | None:
        """Tell `locate` of a map that is cut without remainder."""
        return (self.width, self.u_cell, self.in_cell) if self._is_cut_evenly(self.steps) else None

    def _is_cut_evenly(self, steps: int) -> bool:
        columns_begin_with_chunks = self.height % steps == 0 or steps % self.height == 0
        whole = self.length % steps == 0 and self.channels % WARP == 0
        return self.is_map and whole and columns_begin_with_chunks

    @property
    def sizes(self) -> dict[str, int]:
        names = ("length", "width", "channels", "u_cell", "u_group", "in_cell", "in_group")
        return {name: getattr(self, name) for name in names}

    @property
    def constants(self) -> dict[str, Any]:
        return {
            "HEIGHT": self.height,
            "MAP": self.is_map,
            "RANK": self.rank,
            "STATES": self.states,
            "SOFTPLUS": self.softplus,
            "NUMBER": tl.float64 if self.number == torch.float64 else tl.float32,
            "STEPS": self.steps,
            "CHANNELS": WARP,
            "EVEN": self.even,
            "num_warps": 1,
        }

    @property
    def carry_constants(self) -> dict[str, Any]:
        kept = ("MAP", "STATES", "NUMBER", "CHANNELS", "num_warps")
        constants = self.constants
        return {name: constants[name] for name in kept} | {
            "CHUNKS": min(CARRIED, triton.next_power_of_2(self.chunks)),
            "TURNS": pieces_of(self.chunks, CARRIED),
        }


class Inputs(NamedTuple):
    """What is scanned. Of a map `delta` stands for nothing, of sequences `low` and `weight`."""

    u: Tensor
    delta: Tensor
    low: Tensor
    weight: Tensor
    bias: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor


def layout_of_rows(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, bias: Tensor, *, softplus: bool
) -> tuple[Inputs, Layout]:
    """Lay out u and delta as (batch, length, channels), B and C as (batch, length, groups, state)."""
    batch, length, channels = u.shape
    groups, states = B.shape[2:]
    layout = Layout(
        height=1,
        width=length,
        batch=batch,
        groups=groups,
        channels=channels // groups,
        states=states,
        rank=0,
        u_cell=channels,
        u_group=channels // groups,
        in_cell=groups * states,
        in_group=states,
        softplus=softplus,
        number=scan_dtype(u),
    )
    return Inputs(u, delta, B, A, bias, A, B, C, D), layout


def layout_of_map(
    u: Tensor, projected: Tensor, weight: Tensor, bias: Tensor, A: Tensor, D: Tensor
) -> tuple[Inputs, Layout]:
    """Lay out a map as four groups: cells and projections stay where they are."""
    batch, height, width, channels = u.shape
    rank, states = weight.shape[2], A.shape[1]
    layout = Layout(
        height=height,
        width=width,
        batch=batch,
        groups=4,
        channels=channels,
        states=states,
        rank=rank,
        u_cell=channels,
        u_group=0,
        in_cell=projected.shape[-1],
        in_group=projected.shape[-1] // 4,
        softplus=True,
        number=scan_dtype(u),
    )
    B, C = projected[..., rank:], projected[..., rank + states :]
    return Inputs(u, u, projected, weight, bias, A, B, C, D), layout


def pieces_of(whole: int, size: int) -> int:
    """Count the pieces of a size that a whole is cut into, the last one perhaps smaller."""
    return -(-whole // size)
