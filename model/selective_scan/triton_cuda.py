"""The selective scan on CUDA by our own kernels: autograd functions around `triton_kernels`.

With TRITON_INTERPRET=1 in the environment, set before Triton is first imported, the kernels run on the CPU, step by
step: right, and very slow.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from model.selective_scan import triton_gradients, triton_kernels
from model.selective_scan.triton_layout import Inputs, Layout, layout_of_map, layout_of_rows, pieces_of
from model.selective_scan.triton_traffic import MapSize
from model.triton_launch import multiprocessors, on_device_of

RESIDENT = 2
"""Programs of `projection_gradients` that a multiprocessor runs at once: as many as 255 registers a thread leave room
for."""
PROJECTED = 2048
"""Weights of delta that a program of `projection_gradients` holds: its channels by their inputs, a power of two."""
ROWS = 16
"""Cells that a program of `projection_gradients` takes at a turn."""
MOST_TURNS = 64
"""Most turns of a program of `projection_gradients`, beyond which the sums that it writes weigh next to nothing."""


def selective_scan(
    u: Float[Tensor, "batch channels length"],
    delta: Float[Tensor, "batch channels length"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch groups state length"],
    C: Float[Tensor, "batch groups state length"],
    D: Float[Tensor, " channels"],
    delta_bias: Float[Tensor, " channels"],
    delta_softplus: bool,
) -> Float[Tensor, "batch channels length"]:
    """Run `model.selective_scan.selective_scan` on CUDA tensors; u, delta, B and C may be in half precision."""
    u, delta = (tensor.transpose(1, 2).contiguous() for tensor in (u, delta))
    B, C = (tensor.permute(0, 3, 1, 2).contiguous() for tensor in (B, C))
    y: Any = _SelectiveScan.apply(delta_softplus, u, delta, A, B, C, D, delta_bias)
    return y.transpose(1, 2)


def cross_selective_scan(
    u: Float[Tensor, "batch height width channels"],
    projected: Float[Tensor, "batch height width inputs"],
    dt_weight: Float[Tensor, "4 channels rank"],
    dt_bias: Float[Tensor, "4 channels"],
    A: Float[Tensor, "4*channels state"],
    D: Float[Tensor, " 4*channels"],
) -> Float[Tensor, "batch height width channels"]:
    """Run `cross_selective_scan` of the module of that name on CUDA tensors; u and projected may be half precision.

    The four directions are read in place: neither their sequences, nor their deltas, nor a copy of the map are ever
    stored. For the backward pass one state is kept of every chunk.
    """
    return _CrossSelectiveScan.apply(u, projected, dt_weight, dt_bias, A, D)  # pyright: ignore[reportReturnType]


def map_size(u: Tensor, projected: Tensor, weight: Tensor, bias: Tensor, A: Tensor, D: Tensor) -> MapSize:
    """Tell what the traffic of `cross_selective_scan` of these arguments depends on."""
    layout = layout_of_map(u, projected, weight, bias, A, D)[1]
    return MapSize(
        channels=layout.channels,
        rank=layout.rank,
        states=layout.states,
        steps=layout.steps,
        blocks=layout.blocks,
        wide_blocks=pieces_of(layout.channels, PROJECTED // layout.padded_rank),
        half=u.element_size() == 2,
    )


def try_out() -> None:
    """Compile and run the smallest scan. Raises whatever error stands in the way."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    one, inputs, channel = (torch.ones(shape, device=device) for shape in ((1, 1, 1), (1, 1, 1, 1), (1,)))
    selective_scan(one, one, one[0], inputs, inputs, channel, channel, True)


def turns_a_program(turns: int, columns: int, multiprocessors: int) -> int:
    """Choose how many of `turns` a program of `projection_gradients` takes, if there are `columns` rows of them.

    The card runs programs in waves, each as long as a program. Of the powers of two with which the waves take no more
    than a twentieth longer than with the best, the greatest: then fewest sums are written.
    """
    slots = multiprocessors * RESIDENT
    powers = (1 << i for i in range(MOST_TURNS.bit_length()))
    times = {
        each: each * pieces_of(columns * pieces_of(turns, each), slots) for each in powers if each < 2 * turns
    }
    return max(each for each, time in times.items() if time <= 1.05 * min(times.values()))


class _Gradients(NamedTuple):
    """Gradients of `Inputs`, but for what deltas are projected from; ddelta is before bias and softplus.

    Of a map ddelta is (4, batch, height, width, channels). dB and dC are (batch, length, groups, states).
    """

    du: Tensor
    ddelta: Tensor
    dB: Tensor
    dC: Tensor
    dbias: Tensor
    dA: Tensor
    dD: Tensor


class _SelectiveScan(Function):
    """Gradients of `selective_scan`. The inputs are saved, and the states between chunks."""

    @staticmethod
    def forward(ctx: Any, softplus: bool, *tensors: Tensor) -> Tensor:
        inputs, layout = layout_of_rows(*tensors, softplus=softplus)
        y, carried = _outputs(layout, inputs)
        ctx.softplus = softplus
        ctx.save_for_backward(*tensors, carried)
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        *tensors, carried = ctx.saved_tensors
        inputs, layout = layout_of_rows(*tensors, softplus=ctx.softplus)
        found = _gradients(layout, inputs, carried, upstream[0].contiguous())
        gradients = (found.du, found.ddelta, found.dA, found.dB, found.dC, found.dD, found.dbias)
        return None, *(gradient.to(tensor.dtype) for gradient, tensor in zip(gradients, tensors, strict=True))


class _CrossSelectiveScan(Function):
    """Gradients of `cross_selective_scan`. The inputs are saved, and the states between chunks."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        tensors = tuple(tensor.contiguous() for tensor in tensors)
        inputs, layout = layout_of_map(*tensors)
        y, carried = _outputs(layout, inputs)
        ctx.save_for_backward(*tensors, carried)
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor, ...]:
        *tensors, carried = ctx.saved_tensors
        inputs, layout = layout_of_map(*tensors)
        found = _gradients(layout, inputs, carried, upstream[0].contiguous())
        dlow, dweight = _projection_gradients(layout, inputs, found.ddelta)
        dprojected = torch.empty_like(inputs.low)
        of_groups = dprojected.view(layout.batch, layout.length, 4, -1)
        of_groups[..., : layout.rank] = dlow
        of_groups[..., layout.rank : layout.rank + layout.states] = found.dB
        of_groups[..., layout.rank + layout.states :] = found.dC
        gradients = (found.du, dprojected, dweight, found.dbias, found.dA, found.dD)
        return tuple(gradient.to(tensor.dtype) for gradient, tensor in zip(gradients, tensors, strict=True))


def _outputs(layout: Layout, inputs: Inputs) -> tuple[Tensor, Tensor]:
    """Compute the outputs, and the states that leave each chunk: (batch, groups, chunks, state, channels)."""
    u, delta, low, weight, bias, A, B, C, D = inputs
    carried, spans = _of_chunks(layout, u)
    shared = (delta, low, weight, bias, A)
    for line in layout.lines:
        _launch(triton_kernels.chunk_ends, layout, line, (u, *shared, B, carried, spans))
    _carry(layout, carried, spans, A, back=False)
    y = torch.empty_like(u, dtype=layout.number)
    for line in layout.lines:
        _launch(triton_kernels.scan, layout, line, (u, *shared, B, C, D, carried, y))
    return y, carried


def _gradients(layout: Layout, inputs: Inputs, carried: Tensor, dy: Tensor) -> _Gradients:
    """Compute all gradients, up to the projection of deltas."""
    u, delta, low, weight, bias, A, B, C, D = inputs
    arrivals, spans = _of_chunks(layout, u)
    shared = (delta, low, weight, bias, A)
    for line in layout.lines:
        _launch(triton_gradients.chunk_starts_gradients, layout, line, (dy, *shared, C, arrivals, spans))
    _carry(layout, arrivals, spans, A, back=True)

    def new(*shape: int) -> Tensor:
        return u.new_empty(shape, dtype=layout.number)

    du = torch.empty_like(u)
    partial = du if u.dtype == layout.number else new(*u.shape)
    ddelta = new(4, *u.shape) if layout.is_map else new(*delta.shape)
    dB, dC = (new(layout.blocks, layout.batch, layout.length, layout.groups, layout.states) for _ in range(2))
    sums = tuple(new(layout.batch, layout.chunks, *tensor.shape) for tensor in (bias, A))
    dD = new(layout.batch, layout.chunks, 1 if layout.is_map else layout.groups, layout.channels)
    sizes = {"d_group": u.numel() if layout.is_map else 0, "in_part": dB.stride(0)}
    for line in layout.lines:
        written = partial if layout.is_map and line == 0 else du
        tensors = (u, dy, *shared, B, C, D, carried, arrivals, partial, written, ddelta, dB, dC, *sums, dD)
        _launch(triton_gradients.scan_gradients, layout, line, tensors, sizes)
    dbias, dA = (tensor.sum((0, 1)) for tensor in sums)
    dD = dD.sum((0, 1)).expand(layout.groups, layout.channels).reshape(D.shape)
    return _Gradients(du, ddelta, dB.sum(0), dC.sum(0), dbias, dA, dD)


def _projection_gradients(layout: Layout, inputs: Inputs, ddelta: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the gradients of the inputs (batch, length, 4, rank) and the weights (4, channels, rank) of deltas."""
    rows, rank, channels = layout.batch * layout.length, layout.rank, layout.channels
    width = PROJECTED // layout.padded_rank
    blocks = pieces_of(channels, width)
    turns = turns_a_program(pieces_of(rows, ROWS), 4 * blocks, multiprocessors(ddelta.device))
    pieces = pieces_of(rows, ROWS * turns)
    dlow = ddelta.new_empty(blocks, 4, rows, rank)
    dweight = ddelta.new_empty(pieces, 4, channels, rank)
    kernel: Any = triton_gradients.projection_gradients
    with on_device_of(ddelta):
        kernel[pieces, blocks, 4](
            ddelta, inputs.low, inputs.weight, dlow, dweight,
            rows=rows, channels=channels, in_cell=layout.in_cell, in_group=layout.in_group, d_group=ddelta[0].numel(),
            RANK=rank, PADDED=layout.padded_rank, NUMBER=layout.constants["NUMBER"], ROWS=ROWS,
            TURNS=turns, CHANNELS=width, num_warps=4,
        )  # fmt: skip
    dlow = dlow[0] if blocks == 1 else dlow.sum(0)
    return dlow.view(4, layout.batch, layout.length, rank).permute(1, 2, 0, 3), dweight.sum(0)


def _of_chunks(layout: Layout, u: Tensor) -> tuple[Tensor, Tensor]:
    """Make room for a state of every chunk (batch, groups, chunks, state, channels), and for its sum of delta."""
    rows = (layout.batch, layout.groups, layout.chunks)
    return (
        u.new_empty(*rows, layout.states, layout.channels, dtype=layout.number),
        u.new_empty(*rows, layout.channels, dtype=layout.number),
    )


def _carry(layout: Layout, ends: Tensor, spans: Tensor, A: Tensor, *, back: bool) -> None:
    grid = (layout.blocks, layout.groups, layout.batch * layout.states)
    with on_device_of(ends):
        triton_kernels.carry[grid](
            ends,
            spans,
            A,
            chunks=layout.chunks,
            channels=layout.channels,
            BACK=back,
            **layout.carry_constants,
        )


def _launch(
    kernel: Any, layout: Layout, line: int, tensors: tuple[Tensor, ...], sizes: dict[str, int] | None = None
) -> None:
    grid = (layout.blocks * layout.chunks, 1 if layout.is_map else layout.groups, layout.batch)
    with on_device_of(tensors[0]):
        kernel[grid](*tensors, **layout.sizes, **(sizes or {}), **layout.constants, LINE=line)
