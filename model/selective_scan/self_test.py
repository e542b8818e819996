"""A self-test of the scan engines: how far each is from the definition, in values and gradients."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from model.selective_scan import selective_scan
from model.selective_scan.cross_selective_scan import cross_selective_scan

TOLERANCE = 1e-3
"""Largest error of an engine relative to the largest true value; in single precision 1e-6 is usual."""


def scan_error(engine: str, device: torch.device) -> float:
    """Measure the largest error of values and gradients of `engine` on `device`, relative to the largest true value.

    The truth is the definition in double precision. Both forms of the scan are tried on small inputs of odd length,
    with one state and with several, and a map that chunks cut without remainder. Raises whatever the engine raises.
    """
    errors = [
        error
        for scan, inputs in (_rows(1), _rows(3), _map(1), _map(3), _map(1, height=16, width=2, channels=32))
        for error in _relative_errors(scan, inputs, engine, device)
    ]
    # The greatest of tensors is NaN if one of them is.
    return torch.stack(errors).max().item()


Scan = Callable[[dict[str, Tensor], str], Tensor]


def _rows(states: int) -> tuple[Scan, dict[str, Tensor]]:
    batch, groups, width, length = 2, 4, 3, 67
    channels, noise = groups * width, _noise()
    inputs = {
        "u": noise(batch, channels, length),
        "delta": noise(batch, channels, length) - 1,
        "A": -noise(channels, states).exp(),
        "B": noise(batch, groups, states, length),
        "C": noise(batch, groups, states, length),
        "D": noise(channels),
        "delta_bias": noise(channels),
    }
    return lambda inputs, engine: selective_scan(**inputs, delta_softplus=True, engine=engine), inputs


def _map(
    states: int, *, height: int = 5, width: int = 7, channels: int = 8
) -> tuple[Scan, dict[str, Tensor]]:
    batch, rank, noise = 2, 2, _noise()
    inputs = {
        "u": noise(batch, height, width, channels),
        "projected": noise(batch, height, width, 4 * (rank + 2 * states)),
        "dt_weight": noise(4, channels, rank),
        "dt_bias": noise(4, channels) - 1,
        "A": -noise(4 * channels, states).exp(),
        "D": noise(4 * channels),
    }
    return lambda inputs, engine: cross_selective_scan(**inputs, engine=engine), inputs


def _noise() -> Callable[..., Tensor]:
    """Return a function that draws normal tensors of given shapes, equal tensors every time."""
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def _relative_errors(
    scan: Scan, inputs: dict[str, Tensor], engine: str, device: torch.device
) -> list[Tensor]:
    truth = _values_and_gradients(scan, inputs, "reference")
    single = {name: value.to(device, torch.float32) for name, value in inputs.items()}
    found = _values_and_gradients(scan, single, engine)
    return [(got.cpu() - true).abs().max() / true.abs().max() for got, true in zip(found, truth, strict=True)]


def _values_and_gradients(scan: Scan, inputs: dict[str, Tensor], engine: str) -> list[Tensor]:
    leaves = {name: value.detach().clone().requires_grad_() for name, value in inputs.items()}
    y = scan(leaves, engine)
    upstream = torch.linspace(-1, 1, y.numel(), dtype=y.dtype, device=y.device).view_as(y)
    return [y.detach(), *torch.autograd.grad(y, [*leaves.values()], upstream)]
