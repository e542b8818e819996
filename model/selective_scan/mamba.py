"""The selective scan by the CUDA kernel of mamba-ssm, an optional extra, looked for when first needed."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor


def selective_scan(
    u: Float[Tensor, "batch channels length"],
    delta: Float[Tensor, "batch channels length"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch groups state length"],
    C: Float[Tensor, "batch groups state length"],
    D: Float[Tensor, " channels"] | None,
    delta_bias: Float[Tensor, " channels"] | None,
    delta_softplus: bool,
) -> Float[Tensor, "batch channels length"]:
    """Run `model.selective_scan.selective_scan` on float32 CUDA tensors, by the kernel of mamba-ssm.

    Raises ValueError where the kernel is absent, and for tensors that are not float32.
    """
    kernel = _kernel()
    if isinstance(kernel, str):
        raise ValueError(f"mamba-ssm cannot be used: {kernel}")
    if u.dtype != torch.float32:
        raise ValueError(f"mamba-ssm scans in float32, the tensors are {u.dtype}; use the engine reference")
    u, delta, A, B, C = (tensor.contiguous() for tensor in (u, delta, A, B, C))
    D, delta_bias = (None if tensor is None else tensor.contiguous() for tensor in (D, delta_bias))
    return kernel(u, delta, A, B, C, D, None, delta_bias, delta_softplus)


def missing() -> str | None:
    """Why the kernel cannot be used here, or None when it can."""
    kernel = _kernel()
    return kernel if isinstance(kernel, str) else None


@cache
def _kernel() -> Callable[..., Tensor] | str:
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    # A build without its CUDA extension, or for another torch, fails in more ways than ImportError.
    try:
        import selective_scan_cuda  # noqa: F401  # pyright: ignore[reportMissingImports]
        from mamba_ssm.ops.selective_scan_interface import (  # pyright: ignore[reportMissingImports]
            selective_scan_fn,
        )
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return selective_scan_fn
