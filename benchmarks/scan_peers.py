"""Other implementations of the selective scan, where they are installed, with the signature of `selective_scan`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor
from torch.nn import functional

PSCAN = "mambapy, parallel scan"
REFERENCE = "mamba_ssm, selective_scan_ref"
QUADRATIC = (REFERENCE,)
"""Whose backward adds a tensor of full length for every step."""


def missing() -> dict[str, str | None]:
    """List every other implementation, with the reason why it cannot be timed, or None where it can."""
    return {name: found if isinstance(found, str) else None for name, found in _found().items()}


def scans() -> dict[str, Callable[..., Tensor]]:
    """List the installed implementations, each to be called with u, delta, A, B, C, D, delta_bias; softplus is on."""
    return {name: found for name, found in _found().items() if not isinstance(found, str)}


@cache
def _found() -> dict[str, Callable[..., Tensor] | str]:
    return {PSCAN: _or_reason(_pscan), REFERENCE: _or_reason(_selective_scan_ref)}


def _or_reason(find: Callable[[], Callable[..., Tensor]]) -> Callable[..., Tensor] | str:
    # mamba_ssm without its CUDA extension fails in more ways than ImportError.
    try:
        return find()
    except Exception as error:
        return f"{type(error).__name__}: {error}"


def _pscan() -> Callable[..., Tensor]:
    from mambapy.pscan import pscan  # pyright: ignore[reportMissingImports]

    def scan(
        u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor
    ) -> Tensor:
        """Groups become samples: mambapy scans (batch, length, channels, state)."""
        groups = B.shape[1]
        batch, width = len(u), u.shape[1] // groups
        u, delta = (x.float().unflatten(1, (groups, width)).movedim(-1, 2) for x in (u, delta))
        delta = functional.softplus(delta + delta_bias.view(groups, 1, width))[..., None]
        B, C = (x.float().movedim(-1, 2)[:, :, :, None] for x in (B, C))
        decay = torch.exp(delta * A.view(groups, 1, width, -1)).flatten(0, 1)
        drive = (delta * B * u[..., None]).flatten(0, 1)
        states = pscan(decay, drive).unflatten(0, (batch, groups))
        y = (states * C).sum(-1) + D.view(groups, 1, width) * u
        return y.movedim(2, -1).flatten(1, 2)

    return scan


def _selective_scan_ref() -> Callable[..., Tensor]:
    from mamba_ssm.ops.selective_scan_interface import (  # pyright: ignore[reportMissingImports]
        selective_scan_ref,
    )

    def scan(
        u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor, delta_bias: Tensor
    ) -> Tensor:
        return selective_scan_ref(u, delta, A, B, C, D, None, delta_bias, True)

    return scan
