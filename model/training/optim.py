"""The optimiser of a recipe: learning rate by epoch, sharpness-aware steps, weight blending."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from model.training.recipe import OptimiserConfig

Result = TypeVar("Result")


def learning_rate_at(config: OptimiserConfig, epoch: int, epochs: int) -> float:
    """Compute the learning rate of a whole epoch, counted from 1; the cosine reaches its floor in the last epoch.

    In epoch e of w warm-up epochs the rate is e / (w + 1) of the full one; the schedule runs over the epochs after
    them, as it would over a run of that many (Goyal et al., section 2.2, https://arxiv.org/abs/1706.02677).
    """
    warmup = config.warmup_epochs
    if epoch <= warmup:
        return config.learning_rate * epoch / (warmup + 1)
    if config.schedule == "constant":
        return config.learning_rate
    floor = config.learning_rate * config.final_fraction
    progress = math.pi * (epoch - warmup) / (epochs - warmup)
    return floor + (config.learning_rate - floor) * (1 + math.cos(progress)) / 2


def build_optimiser(config: OptimiserConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """Build the optimiser over `parameters`, in one group, at the rate before the schedule; steps are fused."""
    shared: dict[str, Any] = {"lr": config.learning_rate, "weight_decay": config.weight_decay, "fused": True}
    if config.name == "sgd":
        return SGD(parameters, momentum=config.momentum, **shared)
    return {"adamw": AdamW, "adam": Adam}[config.name](parameters, **shared)


def optimise_step(
    model: nn.Module, optimiser: Optimizer, closure: Callable[[], Result], config: OptimiserConfig
) -> tuple[Result, bool]:
    """Take one step; returns what `closure` returned at the weights before it, and whether the step was taken.

    `closure` runs forward and backward on one batch; gradients are cleared here.

    With `sam_rho` the closure runs twice, the second time at the worst nearby weights, and must see the same
    batch and augmentation both times. Buffers (batch-norm statistics) keep what the first pass left. A first
    gradient that is not finite skips the step: weights and buffers stay as they were before.

    With `weight_blend` b the trained weights and the floating-point buffers of `model` end at b * before +
    (1 - b) * after, and the next step starts there. Weights get there by a step with 1 - b times the learning rate,
    to which all three optimisers' steps are proportional, weight decay included; moments are untouched.

    Reference: Foret et al., "Sharpness-Aware Minimization", https://arxiv.org/abs/2010.01412
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    blended = [b for b in model.buffers() if b.is_floating_point()] if config.weight_blend else []
    before_blending = _copies(blended)

    optimiser.zero_grad()
    if config.sam_rho:
        buffers = list(model.buffers())
        weights, statistics = _copies(parameters), _copies(buffers)
        result = closure()
        if not _move_to_worst_nearby(parameters, config):
            _restore(parameters, weights)
            _restore(buffers, statistics)
            return result, False
        after_first = _copies(buffers)
        optimiser.zero_grad()
        closure()
        _restore(buffers, after_first)
        _restore(parameters, weights)
    else:
        result = closure()

    assert any(parameter.grad is not None for parameter in parameters), "the closure must run backward"
    if config.clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, config.clip_norm, foreach=True)
    with _shorter_steps(optimiser, 1 - config.weight_blend):
        optimiser.step()
    if blended:
        with torch.no_grad():
            torch._foreach_lerp_(  # pyright: ignore[reportPrivateImportUsage]
                blended, before_blending, config.weight_blend
            )
    return result, True


@contextlib.contextmanager
def _shorter_steps(optimiser: Optimizer, share: float) -> Iterator[None]:
    """Take `share` of the learning rate while the block runs."""
    rates = [group["lr"] for group in optimiser.param_groups]
    for group, rate in zip(optimiser.param_groups, rates, strict=True):
        group["lr"] = share * rate
    try:
        yield
    finally:
        for group, rate in zip(optimiser.param_groups, rates, strict=True):
            group["lr"] = rate


@torch.no_grad()
def _move_to_worst_nearby(parameters: list[nn.Parameter], config: OptimiserConfig) -> bool:
    """Add rho * g / |g| to the weights, one norm over all gradients; returns False, and adds nothing, if not finite.

    The gradients are used up.
    """
    pairs = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
    weights: list[Tensor] = [weight for weight, _ in pairs]
    gradients = [gradient for _, gradient in pairs]
    ascents = gradients
    if config.sam_adaptive:
        ascents = torch._foreach_abs(weights)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(ascents, gradients)  # pyright: ignore[reportPrivateImportUsage]
    norm = nn.utils.get_total_norm(ascents, foreach=True)
    if not torch.isfinite(norm):
        return False
    if config.sam_adaptive:
        ascents = torch._foreach_mul(weights, weights)  # pyright: ignore[reportPrivateImportUsage]
        torch._foreach_mul_(ascents, gradients)  # pyright: ignore[reportPrivateImportUsage]
    # In place, as nobody needs these gradients any more, and a copy would be as large as the network.
    torch._foreach_mul_(ascents, config.sam_rho / (norm + 1e-12))  # pyright: ignore[reportPrivateImportUsage]
    torch._foreach_add_(weights, ascents)  # pyright: ignore[reportPrivateImportUsage]
    return True


@torch.no_grad()
def _copies(tensors: list[Tensor]) -> list[Tensor]:
    copies = [torch.empty_like(tensor) for tensor in tensors]
    _restore(copies, tensors)
    return copies


@torch.no_grad()
def _restore(tensors: list[Tensor], values: list[Tensor]) -> None:
    if tensors:
        torch._foreach_copy_(tensors, values)  # pyright: ignore[reportPrivateImportUsage]
