"""The selective scan, whichever engine runs it: its definition, Numba on CPU, mamba-ssm on CUDA."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor

from model.selective_scan import mamba, reference

ENGINES = ("auto", "reference", "numba", "mamba")


def selective_scan(
    u: Float[Tensor, "batch channels length"],
    delta: Float[Tensor, "batch channels length"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch groups state length"],
    C: Float[Tensor, "batch groups state length"],
    D: Float[Tensor, " channels"] | None = None,
    delta_bias: Float[Tensor, " channels"] | None = None,
    delta_softplus: bool = False,
    *,
    engine: str = "auto",
) -> Float[Tensor, "batch channels length"]:
    """Outputs of the selective state-space recurrence along the last axis, from a state of zero.

        delta_t <- delta_t + delta_bias, then softplus if `delta_softplus`
        h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t
        y_t = C_t h_t + D u_t

    Channels come in equal, contiguous groups that share B and C: with `width` channels each, channel
    `k * width + c` belongs to group k. Computed and returned in float64 if `u` is float64, else in float32.

    `engine` is one of `ENGINES`; `auto` takes the fastest that works on the device of `u`. Raises ValueError
    when the engine named does not work there, or the channels do not divide into the groups.

    Reference: Gu & Dao, "Mamba", https://arxiv.org/abs/2312.00752; B is discretised as in its code (Euler)
    """
    if u.shape[1] % B.shape[1]:
        raise ValueError(f"{u.shape[1]} channels do not divide into the {B.shape[1]} groups of B and C")
    name = choose_engine(engine, u.device)
    dtype = scan_dtype(u)
    u, delta, A, B, C = (tensor.to(dtype) for tensor in (u, delta, A, B, C))
    D, delta_bias = (None if tensor is None else tensor.to(dtype) for tensor in (D, delta_bias))
    with torch.autocast(u.device.type, enabled=False):
        if name == "numba":
            from model.selective_scan import numba_cpu

            zeros = u.new_zeros(u.shape[1])
            D, delta_bias = (zeros if tensor is None else tensor for tensor in (D, delta_bias))
            return numba_cpu.selective_scan(u, delta, A, B, C, D, delta_bias, delta_softplus)
        scan = mamba.selective_scan if name == "mamba" else reference.selective_scan
        return scan(u, delta, A, B, C, D, delta_bias, delta_softplus)


def available_engines() -> dict[str, str | None]:
    """Every engine, with the reason why it does not work on this machine, or None where it does."""
    return {"reference": None, "numba": _numba_missing(), "mamba": mamba.missing()}


def choose_engine(engine: str, device: torch.device) -> str:
    """The engine that `engine` stands for on `device`; ValueError when it does not exist or work there."""
    if engine not in ENGINES:
        raise ValueError(f"no scan engine {engine!r}; there are {', '.join(ENGINES)}")
    devices = {"numba": "cpu", "mamba": "cuda"}
    if engine == "auto":
        fast = [name for name, own in devices.items() if own == device.type]
        return next((name for name in fast if available_engines()[name] is None), "reference")
    if devices.get(engine, device.type) != device.type:
        raise ValueError(f"the scan engine {engine} runs on {devices[engine]}, not on {device.type}")
    reason = available_engines()[engine]
    if reason is not None:
        raise ValueError(f"the scan engine {engine} does not work here: {reason}")
    return engine


def scan_dtype(u: Tensor) -> torch.dtype:
    """In what a scan of `u` is computed: float64 if `u` is, else float32."""
    return torch.float64 if u.dtype == torch.float64 else torch.float32


@cache
def _numba_missing() -> str | None:
    try:
        from model.selective_scan import numba_cpu  # noqa: F401
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
