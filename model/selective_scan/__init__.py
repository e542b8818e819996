"""The selective scan, whichever engine runs it: its definition, Numba on CPU, Triton or mamba-ssm on CUDA."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module
from types import ModuleType

import torch
from jaxtyping import Float
from torch import Tensor

from model.scan_engines import DEVICES, ENGINES
from model.selective_scan import mamba, reference
from model.triton_launch import interpreted


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
    """Run the selective state-space recurrence along the last axis, from a state of zero; returns the outputs.

        delta_t <- delta_t + delta_bias, then softplus if `delta_softplus`
        h_t = exp(delta_t A) h_{t-1} + delta_t B_t u_t
        y_t = C_t h_t + D u_t

    Channels come in equal, contiguous groups that share B and C: with `width` channels each, channel
    `k * width + c` belongs to group k. Computed and returned in float64 if `u` is float64, else in float32.

    `engine` is one of `ENGINES`; `auto` takes the one that is meant for the device of `u`: numba on CPU; on CUDA
    triton, or mamba where that does not work; the definition, with a warning, where none does. Raises ValueError
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
        if name in ("numba", "triton"):
            A = A.contiguous()
            zeros = u.new_zeros(u.shape[1])
            D, delta_bias = (zeros if tensor is None else tensor.contiguous() for tensor in (D, delta_bias))
            fused = compiled(name).selective_scan
            return fused(u, delta, A, B, C, D, delta_bias, delta_softplus)
        scan = mamba.selective_scan if name == "mamba" else reference.selective_scan
        return scan(u, delta, A, B, C, D, delta_bias, delta_softplus)


def available_engines() -> dict[str, str | None]:
    """List every engine with the reason why it does not work on this machine, or None where it does."""
    return {engine: _missing(engine) for engine in ENGINES if engine != "auto"}


def choose_engine(engine: str, device: torch.device) -> str:
    """Find the engine that `engine` stands for on `device`. Raises ValueError when it does not exist or work there."""
    if engine not in ENGINES:
        raise ValueError(f"no scan engine {engine!r}; there are {', '.join(ENGINES)}")
    if engine == "auto":
        return _meant_for(device.type)
    devices = DEVICES | ({"triton": "cpu"} if interpreted() else {})
    if devices.get(engine, device.type) != device.type:
        raise ValueError(f"the scan engine {engine} runs on {devices[engine]}, not on {device.type}")
    reason = _missing(engine)
    if reason is not None:
        raise ValueError(f"the scan engine {engine} does not work here: {reason}")
    return engine


def runs_triton(engine: str, device: torch.device) -> bool:
    """Tell whether `engine` stands for our Triton kernels on `device`; unlike `choose_engine`, warns of nothing."""
    where = {"auto": ("cuda",), "triton": ("cuda", "cpu") if interpreted() else ("cuda",)}
    return device.type in where.get(engine, ()) and _missing("triton") is None


def scan_dtype(u: Tensor) -> torch.dtype:
    """The number format in which a scan of `u` is computed: float64 if `u` is float64, else float32."""
    return torch.float64 if u.dtype == torch.float64 else torch.float32


def compiled(engine: str) -> ModuleType:
    """Import the module of one of our own compiled engines, numba or triton, which takes a while the first time."""
    return import_module(f"model.selective_scan.{'numba_cpu' if engine == 'numba' else 'triton_cuda'}")


def _meant_for(device_type: str) -> str:
    reasons = {}
    for engine in {"cpu": ("numba",), "cuda": ("triton", "mamba")}.get(device_type, ()):
        reasons[engine] = _missing(engine)
        if reasons[engine] is None:
            return engine
    told = "; ".join(f"{engine}: {reason}" for engine, reason in reasons.items()) or "there is none"
    warnings.warn(
        f"no fast engine for the selective scan works on {device_type} ({told}); it is computed step by step, which "
        "is far slower; see respsweep doctor",
        stacklevel=3,
    )
    return "reference"


@cache
def _missing(engine: str) -> str | None:
    """Why an engine does not work here; None if it does. No other engine is imported, as each import takes a while."""
    if engine == "reference":
        return None
    if engine == "mamba":
        return mamba.missing()
    if engine == "triton" and not (torch.cuda.is_available() or interpreted()):
        return "torch sees no CUDA device"
    try:
        if engine == "triton":
            # Compiled at the first launch, for which it wants a C compiler.
            compiled(engine).try_out()
        else:
            compiled(engine)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None
