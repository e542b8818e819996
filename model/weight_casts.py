"""The weights of a network in autocast's type, all by one operator and not by one each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from model.dass import DASS
from model.ss2d import SS2D


@contextlib.contextmanager
def casting_weights_together(model: nn.Module) -> Iterator[None]:
    """While the block runs, let a DASS multiply by weights that were cast to autocast's type at once.

    Autocast casts the weights of each product by a kernel of its own, and their gradients by another: a fifth of what a
    step of DASS starts on a GPU. The values are the same, bit for bit, as autocast too casts a weight once and adds the
    gradients of its uses before it casts them back. Outside autocast, and for other networks, nothing changes: these
    may use a weight in single precision as well. The backward pass may follow after the block.
    """
    if not isinstance(model, DASS) or not torch.is_autocast_enabled(_device_type(model)):
        yield
        return
    places = [
        (module, name)
        for module in model.modules()
        for name in _multiplied(module)
        if module._parameters.get(name) is not None
    ]
    weights = [module._parameters[name] for module, name in places]
    cast = _Cast.apply(torch.get_autocast_dtype(_device_type(model)), *weights)
    try:
        for (module, name), one in zip(places, cast, strict=True):
            # As torch.func.functional_call does, which calls `forward` alone.
            module._parameters[name] = one
        yield
    finally:
        for (module, name), weight in zip(places, weights, strict=True):
            module._parameters[name] = weight


def _device_type(model: nn.Module) -> str:
    return next(model.parameters()).device.type


def _multiplied(module: nn.Module) -> tuple[str, ...]:
    """Names of a module's own parameters that only enter products in autocast's type."""
    if isinstance(module, nn.Linear | nn.Conv2d):
        return "weight", "bias"
    return ("x_proj_weight",) if isinstance(module, SS2D) else ()


class _Cast(torch.autograd.Function):
    """Copies tensors to another type, and their gradients back, by one operator each."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *weights: Tensor) -> tuple[Tensor, ...]:
        # A weight that takes no part has no gradient, rather than one of zeros.
        ctx.set_materialize_grads(False)
        ctx.dtypes = [weight.dtype for weight in weights]
        return _copied(weights, [dtype] * len(weights))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, ...]:
        found = [(place, one) for place, one in enumerate(gradients) if one is not None]
        copies = _copied([one for _, one in found], [ctx.dtypes[place] for place, _ in found])
        answer: list[Tensor | None] = [None] * len(gradients)
        for (place, _), copy in zip(found, copies, strict=True):
            answer[place] = copy
        return None, *answer


def _copied(tensors: Any, dtypes: list[torch.dtype]) -> tuple[Tensor, ...]:
    copies = [torch.empty_like(one, dtype=dtype) for one, dtype in zip(tensors, dtypes, strict=True)]
    if copies:
        torch._foreach_copy_(copies, list(tensors))  # pyright: ignore[reportPrivateImportUsage]
    return tuple(copies)
