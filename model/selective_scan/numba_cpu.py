"""The selective scan on CPU: autograd functions around the compiled loops, shared out among threads."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from jaxtyping import Float
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from model.selective_scan import numba_kernels as kernels


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
    """Run `model.selective_scan.selective_scan` on CPU tensors of one dtype, float32 or float64."""
    return _SelectiveScan.apply(delta_softplus, u, delta, A, B, C, D, delta_bias)  # pyright: ignore[reportReturnType]


def cross_selective_scan(
    u: Float[Tensor, "batch height width channels"],
    projected: Float[Tensor, "batch height width inputs"],
    dt_weight: Float[Tensor, "4 channels rank"],
    dt_bias: Float[Tensor, "4 channels"],
    A: Float[Tensor, "4*channels state"],
    D: Float[Tensor, " 4*channels"],
) -> Float[Tensor, "batch height width channels"]:
    """Run `cross_selective_scan` of the module of that name on CPU tensors of one dtype, float32 or float64.

    The four directions are read in place, so neither the four sequences nor their deltas are ever stored.
    """
    A, D = A.unflatten(0, (4, -1)), D.unflatten(0, (4, -1))
    return _CrossSelectiveScan.apply(u, projected, dt_weight, dt_bias, A, D)  # pyright: ignore[reportReturnType]


class _SelectiveScan(Function):
    """Gradients of `selective_scan`. Only the inputs are saved: memory and work are linear in the length."""

    @staticmethod
    def forward(ctx: Any, softplus: bool, *tensors: Tensor) -> Tensor:
        u, B = tensors[0], tensors[3]
        y = _empty_like(u)
        _run(kernels.scan_rows, u.shape[0] * B.shape[1], softplus, *map(_array, (*tensors, y)))
        ctx.softplus = softplus
        ctx.save_for_backward(*tensors)
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor | None, ...]:
        u, delta, A, B, C, D, bias = ctx.saved_tensors
        tasks = u.shape[0] * B.shape[1]
        parts = _parts(tasks)
        du, ddelta = _empty_like(u).zero_(), _empty_like(u)
        dA, dD, dbias = (u.new_zeros(len(u), *parameter.shape) for parameter in (A, D, bias))
        dB, dC = (u.new_empty(parts, *B.shape) for _ in range(2))
        gradients = (du, ddelta, dA, dB, dC, dD, dbias)
        arrays = map(_array, (u, delta, A, B, C, D, bias, upstream[0], *gradients))
        _run(kernels.scan_rows_gradients, tasks, ctx.softplus, *arrays)
        return None, du, ddelta, *(partial.sum(0) for partial in (dA, dB, dC, dD, dbias))


class _CrossSelectiveScan(Function):
    """Gradients of `cross_selective_scan`. Only the inputs are saved: memory and work are linear in the length."""

    @staticmethod
    def forward(ctx: Any, *tensors: Tensor) -> Tensor:
        ctx.save_for_backward(*tensors)
        y = _empty_like(tensors[0])
        _run(kernels.scan_grid, len(y), *map(_array, (*tensors, y)))
        return y

    @staticmethod
    @once_differentiable
    def backward(  # pyright: ignore[reportIncompatibleMethodOverride]
        ctx: Any, *upstream: Tensor
    ) -> tuple[Tensor, ...]:
        u, projected, *parameters = ctx.saved_tensors
        du = _empty_like(u)
        dprojected = u.new_empty(_parts(len(u)), *projected.shape)
        of_parameters = [u.new_zeros(len(u), *parameter.shape) for parameter in parameters]
        _run(
            kernels.scan_grid_gradients,
            len(u),
            *map(_array, (u, projected, *parameters, upstream[0], du, dprojected, *of_parameters)),
        )
        return du, dprojected.sum(0), *(partial.sum(0) for partial in of_parameters)


def _empty_like(tensor: Tensor) -> Tensor:
    # NumPy asks for huge pages, torch does not: for 50 MB, first touch took half of the scan's own time.
    return torch.from_numpy(np.empty(tensor.shape, _array(tensor[:0]).dtype))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().contiguous().numpy()


def _parts(tasks: int) -> int:
    """Into how many pieces each task is cut, so that every thread gets equally many pieces."""
    threads = torch.get_num_threads()
    return threads // math.gcd(tasks, threads)


def _run(kernel: Callable[..., None], tasks: int, *arguments: Any) -> None:
    """Call `kernel` for all pieces of all tasks, on as many threads as torch would use."""
    parts = _parts(tasks)
    arrays = [argument for argument in arguments if isinstance(argument, np.ndarray)]
    _compile_once(kernel, arrays[0].dtype, parts, arguments)
    threads = torch.get_num_threads()
    bounds = [tasks * parts * i // threads for i in range(threads + 1)]
    others: list[Future[None]] = [
        _pool(os.getpid(), threads).submit(kernel, start, stop, parts, *arguments)
        for start, stop in pairwise(bounds[1:])
    ]
    kernel(bounds[0], bounds[1], parts, *arguments)
    for other in others:
        other.result()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Make the idle threads of this process; a forked child has none of its parent's, hence the key `process`."""
    return ThreadPoolExecutor(threads - 1, thread_name_prefix="selective_scan")


_compiled: set[tuple[str, np.dtype]] = set()


def _compile_once(kernel: Any, dtype: np.dtype, parts: int, arguments: tuple[Any, ...]) -> None:
    """Compile `kernel` for `dtype`, or load what another process compiled.

    Numba's cache may hand out the wrong machine code when two processes add different types at once, so they
    take turns; those who wait find the work done.
    """
    key = (kernel.__name__, dtype)
    if key in _compiled:
        return
    folder = Path(kernel.stats.cache_path)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "selective_scan.lock"):
        kernel(0, 0, parts, *arguments)
    _compiled.add(key)
