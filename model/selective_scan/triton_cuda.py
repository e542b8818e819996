"""The selective scan on CUDA by our own kernels: autograd functions around `triton_kernels`.

With TRITON_INTERPRET=1 in the environment, set before Triton is first imported, the kernels run on the CPU, step by
step: right, and very slow.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from model.selective_scan import scan_dtype
from model.selective_scan import triton_kernels as kernels

WARP = 32
PROGRAMS = 4096
"""Programs of one warp that keep a GPU busy: 32 on each of 128 multiprocessors. Reckoned, not measured."""
LEAST_STEPS = 64
"""Fewest steps of a segment, beside which the sum over segments takes little time. Reckoned, not measured."""


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

    The four directions are read in place: neither their sequences nor a copy of the map are ever stored, and their
    deltas only while the scan or its gradient is computed.
    """
    return _CrossSelectiveScan.apply(u, projected, dt_weight, dt_bias, A, D)  # pyright: ignore[reportReturnType]


def try_out() -> None:
    """Compile and run the smallest scan. Raises whatever error stands in the way."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    one, inputs, channel = (torch.ones(shape, device=device) for shape in ((1, 1, 1), (1, 1, 1, 1), (1,)))
    selective_scan(one, one, one[0], inputs, inputs, channel, channel, True)


class _Strides(NamedTuple):
    batch: int
    group: int
    time: int


@dataclass(frozen=True)
class _Layout:
    """Where sequences lie; the last axis of every tensor is contiguous.

    `of_all` tells where numbers lie that every group has for itself: outputs and the gradient of u, before the groups
    of a map are summed.
    """

    height: int
    width: int
    batch: int
    groups: int
    channels: int
    states: int
    u: _Strides
    delta: _Strides
    inputs: _Strides
    of_all: _Strides
    crossed: bool
    softplus: bool
    number: torch.dtype

    @property
    def length(self) -> int:
        return self.height * self.width

    @property
    def blocks(self) -> int:
        return _pieces(self.channels, WARP)

    @property
    def segments(self) -> int:
        """Into how many pieces time is cut, to keep a GPU busy with few sequences; powers of two are few to compile."""
        wanted = _pieces(PROGRAMS, self.blocks * self.groups * self.batch)
        most = max(1, min(wanted, self.length // LEAST_STEPS))
        return 1 << (most - 1).bit_length()

    @property
    def grid(self) -> tuple[int, int, int]:
        return self.blocks * self.segments, self.groups, self.batch

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return self.length, self.width, self.channels, self.states

    @property
    def constants(self) -> dict[str, Any]:
        return {
            "HEIGHT": self.height,
            "CROSSED": self.crossed,
            "SOFTPLUS": self.softplus,
            "NUMBER": tl.float64 if self.number == torch.float64 else tl.float32,
            "SEGMENTS": self.segments,
            "STEPS": _pieces(self.length, self.segments),
            "STATES": triton.next_power_of_2(self.states),
            "CHANNELS": WARP,
            "num_warps": 1,
        }


class _Sequences(NamedTuple):
    """The tensors that are scanned; a `_Layout` tells where their numbers lie."""

    u: Tensor
    delta: Tensor
    A: Tensor
    B: Tensor
    C: Tensor
    D: Tensor
    bias: Tensor


class _SelectiveScan(Function):
    """Gradients of `selective_scan`. Only the inputs are saved."""

    @staticmethod
    def forward(ctx: Any, softplus: bool, *tensors: Tensor) -> Tensor:
        ctx.softplus = softplus
        ctx.save_for_backward(*tensors)
        sequences = _Sequences(*tensors)
        return _outputs(
            _of_rows(sequences, softplus),
            sequences,
            torch.empty_like(sequences.u, dtype=scan_dtype(sequences.u)),
        )

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        sequences = _Sequences(*ctx.saved_tensors)
        layout = _of_rows(sequences, ctx.softplus)
        du = torch.empty_like(sequences.u, dtype=layout.number)
        dB, dC = (
            tensor.new_empty(layout.blocks, *tensor.shape, dtype=layout.number)
            for tensor in (sequences.B, sequences.C)
        )
        dy = upstream[0].contiguous()
        ddelta, dA, dD, dbias = _gradients(layout, sequences, dy, layout.of_all, du, dB, dC)
        gradients = (du, ddelta, dA, dB.sum(0), dC.sum(0), dD, dbias)
        return None, *(
            gradient.to(tensor.dtype) for gradient, tensor in zip(gradients, sequences, strict=True)
        )


class _CrossSelectiveScan(Function):
    """Gradients of `cross_selective_scan`. Only the inputs are saved; the backward pass projects deltas again."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        u, projected, weight, bias, A, D = (tensor.contiguous() for tensor in tensors)
        ctx.save_for_backward(u, projected, weight, bias, A, D)
        sequences, layout = _of_map(u, projected, weight, bias, A, D)
        return _outputs(layout, sequences, torch.empty_like(sequences.delta)).sum(0)

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor, ...]:
        u, projected, weight, bias, A, D = ctx.saved_tensors
        with torch.autocast(u.device.type, enabled=False):
            return _map_gradients(u, projected, weight, bias, A, D, upstream[0].contiguous())


def _map_gradients(
    u: Tensor, projected: Tensor, weight: Tensor, bias: Tensor, A: Tensor, D: Tensor, dy: Tensor
) -> tuple[Tensor, ...]:
    rank, states = weight.shape[2], A.shape[1]
    sequences, layout = _of_map(u, projected, weight, bias, A, D)
    dus = torch.empty_like(sequences.delta)
    dprojected = projected.new_empty(layout.blocks, *projected.shape, dtype=layout.number)
    dB, dC = dprojected[..., rank:], dprojected[..., rank + states :]
    ddelta, dA, dD, dbias = _gradients(layout, sequences, dy, layout.u, dus, dB, dC)
    low = _low(projected, rank, layout.number)
    ddelta = ddelta.flatten(1, -2)
    dweight = ddelta.transpose(1, 2) @ low
    whole = dprojected.sum(0)
    of_directions = whole.unflatten(-1, (4, -1))
    of_low = (ddelta @ weight.to(layout.number)).unflatten(1, projected.shape[:-1])
    of_directions[..., :rank] = of_low.permute(1, 2, 3, 0, 4)
    gradients = (dus.sum(0), whole, dweight, dbias, dA, dD)
    inputs = (u, projected, weight, bias, A, D)
    return tuple(
        gradient.reshape(tensor.shape).to(tensor.dtype)
        for gradient, tensor in zip(gradients, inputs, strict=True)
    )


def _of_rows(sequences: _Sequences, softplus: bool) -> _Layout:
    """Lay out u and delta as (batch, length, channels), B and C as (batch, length, groups, state)."""
    batch, length, channels = sequences.u.shape
    groups, states = sequences.B.shape[2:]
    rows = _Strides(length * channels, channels // groups, channels)
    return _Layout(
        height=1,
        width=length,
        batch=batch,
        groups=groups,
        channels=channels // groups,
        states=states,
        u=rows,
        delta=rows,
        inputs=_Strides(length * groups * states, states, groups * states),
        of_all=rows,
        crossed=False,
        softplus=softplus,
        number=scan_dtype(sequences.u),
    )


def _of_map(
    u: Tensor, projected: Tensor, weight: Tensor, bias: Tensor, A: Tensor, D: Tensor
) -> tuple[_Sequences, _Layout]:
    """Lay out a map as four groups: cells and projections stay where they are, deltas are (4, cells, channels)."""
    batch, height, width, channels = u.shape
    rank, states = weight.shape[2], A.shape[1]
    cells, row = height * width, projected.shape[-1]
    number = scan_dtype(u)
    delta = (_low(projected, rank, number) @ weight.to(number).transpose(1, 2)).view(4, *u.shape)
    of_all = _Strides(cells * channels, u.numel(), channels)
    layout = _Layout(
        height=height,
        width=width,
        batch=batch,
        groups=4,
        channels=channels,
        states=states,
        u=_Strides(cells * channels, 0, channels),
        delta=of_all,
        inputs=_Strides(cells * row, row // 4, row),
        of_all=of_all,
        crossed=True,
        softplus=True,
        number=number,
    )
    return _Sequences(u, delta, A, projected[..., rank:], projected[..., rank + states :], D, bias), layout


def _low(projected: Tensor, rank: int, number: torch.dtype) -> Tensor:
    """The inputs of delta as (4, cells of all samples, rank)."""
    return projected.flatten(0, 2).unflatten(-1, (4, -1))[..., :rank].transpose(0, 1).to(number)


def _outputs(layout: _Layout, sequences: _Sequences, y: Tensor) -> Tensor:
    """Fill y with the outputs of every group, and return it."""
    ends, spans = _segment_ends(layout, sequences)
    _scan(layout, sequences, ends, spans, y, history=None)
    return y


def _gradients(
    layout: _Layout, sequences: _Sequences, dy: Tensor, of_dy: _Strides, du: Tensor, dB: Tensor, dC: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the gradients of delta, A, D and the bias; fill `du`, and block by block of channels `dB` and `dC`."""
    u, delta, A, B, C, D, bias = sequences
    ends, spans = _segment_ends(layout, sequences)
    history = du.new_empty(du.numel() * layout.states)
    _scan(layout, sequences, ends, spans, y=du, history=history)
    arrivals = torch.empty_like(ends)
    _launch(
        kernels.segment_starts_gradients, layout, (delta, A, C, bias, dy, arrivals),
        (*layout.delta, *layout.inputs, *of_dy),
    )  # fmt: skip
    ddelta = torch.empty_like(delta, dtype=layout.number)
    partial = (layout.batch, layout.segments)
    dA, dD, dbias = (u.new_empty(*partial, *each.shape, dtype=layout.number) for each in (A, D, bias))
    given = (u, delta, A, B, C, D, bias, history, arrivals, spans, dy)
    strides = (*layout.u, *layout.delta, *layout.inputs, *of_dy, *layout.of_all, dB.stride(0))
    _launch(kernels.scan_gradients, layout, (*given, du, ddelta, dA, dB, dC, dD, dbias), strides)
    return ddelta, dA.sum((0, 1)), dD.sum((0, 1)), dbias.sum((0, 1))


def _segment_ends(layout: _Layout, sequences: _Sequences) -> tuple[Tensor, Tensor]:
    """Compute last states (batch, groups, segments, state, channels) from zero, and sums of delta over each segment."""
    u, delta, A, B, _, _, bias = sequences
    rows = (layout.batch, layout.groups, layout.segments)
    ends = u.new_zeros(*rows, layout.states, layout.channels, dtype=layout.number)
    spans = u.new_zeros(*rows, layout.channels, dtype=layout.number)
    if layout.segments > 1:
        strides = (*layout.u, *layout.delta, *layout.inputs)
        _launch(kernels.segment_ends, layout, (u, delta, A, B, bias, ends, spans), strides)
    return ends, spans


def _scan(
    layout: _Layout, sequences: _Sequences, ends: Tensor, spans: Tensor, y: Tensor, history: Tensor | None
) -> None:
    """Fill `history` with the states after all steps if it is given, else `y` with the outputs."""
    tensors = (*sequences, ends, spans, y, y if history is None else history)
    strides = (*layout.u, *layout.delta, *layout.inputs, *layout.of_all)
    _launch(kernels.scan, layout, tensors, strides, HISTORY=history is not None)


def _launch(
    kernel: Any, layout: _Layout, tensors: tuple[Tensor, ...], strides: tuple[int, ...], **constants: bool
) -> None:
    # Triton launches on the current device, which need not be that of the tensors.
    device = torch.cuda.device(tensors[0].device) if tensors[0].is_cuda else nullcontext()
    with device:
        kernel[layout.grid](*tensors, *layout.shape, *strides, **layout.constants, **constants)


def _pieces(whole: int, size: int) -> int:
    return -(-whole // size)
