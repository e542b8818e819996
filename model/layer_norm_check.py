"""A self-test of our kernels of the layer norm: how far they are from the definition, in values and gradients."""

from __future__ import annotations

from importlib import import_module

import torch
from torch import Tensor
from torch.nn import functional

TOLERANCE = 1e-2
"""Largest error relative to the largest true value; in bfloat16, which rounds to 256 steps, 4e-3 is usual."""
ROWS, CHANNELS, EPS = 133, 96, 1e-5


def norm_error(device: torch.device) -> float:
    """Measure the largest error of values and gradients on `device`, relative to the largest true value.

    The truth is the definition in double precision, of the same numbers. Tried are norms before a product, which write
    bfloat16, and after a convolution, which read it. Raises whatever the kernels raise.
    """
    errors = [
        error
        for x_type, y_type in ((torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32))
        for error in _relative_errors(x_type, y_type, device)
    ]
    # The greatest of tensors is NaN if one of them is.
    return torch.stack(errors).max().item()


def _relative_errors(x_type: torch.dtype, y_type: torch.dtype, device: torch.device) -> list[Tensor]:
    draw = torch.Generator().manual_seed(0)
    x, upstream = torch.randn(2, ROWS, CHANNELS, generator=draw)
    weight, bias = torch.randn(2, CHANNELS, generator=draw)
    inputs = ((1 + 3 * x).to(x_type), weight, bias)
    leaves = [one.to(device, copy=True).requires_grad_() for one in inputs]
    y = import_module("model.layer_norm_triton").layer_norm(*leaves, EPS, y_type)
    found = [y.detach(), *torch.autograd.grad(y, leaves, upstream.to(device, y_type))]
    exact = [one.double().requires_grad_() for one in inputs]
    truth = functional.layer_norm(exact[0], (CHANNELS,), exact[1], exact[2], EPS)
    expected = [truth.detach(), *torch.autograd.grad(truth, exact, upstream.to(y_type).double())]
    return [
        (got.cpu().double() - true).abs().max() / true.abs().max()
        for got, true in zip(found, expected, strict=True)
    ]
