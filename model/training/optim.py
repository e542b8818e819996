"""The optimiser of a recipe: learning rate by epoch, sharpness-aware steps, weight blending."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from data.config import Config

Result = TypeVar("Result")


class OptimiserConfig(Config):
    """How weights move. The defaults are those of Lung-SRAD's published runs."""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    learning_rate: float = Field(default=5e-5, gt=0, description="before the schedule")
    weight_decay: float = Field(default=1e-6, ge=0, description="decoupled for adamw, L2 for the others")
    momentum: float = Field(default=0.9, ge=0, lt=1, description="sgd only")
    clip_norm: float | None = Field(
        default=None, gt=0, description="largest global gradient norm; null: no clipping"
    )
    sam_rho: float = Field(default=0.0, ge=0, description="radius of sharpness-aware minimisation; 0: off")
    sam_adaptive: bool = Field(
        default=False, description="scale the radius by the weights; wants a rho about ten times larger"
    )
    weight_blend: float = Field(
        default=0.5, ge=0, lt=1, description="share of the previous weights kept after a step; 0: off"
    )
    schedule: Literal["cosine", "constant"] = "cosine"
    final_fraction: float = Field(
        default=1e-3, ge=0, le=1, description="last learning rate / learning_rate (cosine)"
    )


def learning_rate_at(config: OptimiserConfig, epoch: int, epochs: int) -> float:
    """Learning rate of a whole epoch, counted from 1; the cosine reaches its floor in the last one."""
    if config.schedule == "constant":
        return config.learning_rate
    floor = config.learning_rate * config.final_fraction
    return floor + (config.learning_rate - floor) * (1 + math.cos(math.pi * epoch / epochs)) / 2


def build_optimiser(config: OptimiserConfig, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The optimiser over `parameters`, in one group, at the rate before the schedule."""
    if config.name == "sgd":
        return SGD(parameters, config.learning_rate, config.momentum, weight_decay=config.weight_decay)
    kind = {"adamw": AdamW, "adam": Adam}[config.name]
    return kind(parameters, config.learning_rate, weight_decay=config.weight_decay)


def optimise_step(
    model: nn.Module, optimiser: Optimizer, closure: Callable[[], Result], config: OptimiserConfig
) -> tuple[Result, bool]:
    """What `closure` returned at the weights before the step, and whether the step was taken.

    `closure` runs forward and backward on one batch; gradients are cleared here.

    With `sam_rho` the closure runs twice, the second time at the worst nearby weights, and must see the same
    batch and augmentation both times. Buffers (batch-norm statistics) keep what the first pass left. A first
    gradient that is not finite skips the step: weights and buffers stay as they were before.

    With `weight_blend` b the trained weights and the floating-point buffers of `model` end at b * before +
    (1 - b) * after, and the next step starts there: in effect a step 1 - b as long, moments untouched.

    Reference: Foret et al., "Sharpness-Aware Minimization", https://arxiv.org/abs/2010.01412
    """
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    blended = _floating_state(model) if config.weight_blend else []
    before = {tensor: tensor.detach().clone() for tensor in blended}

    optimiser.zero_grad()
    if config.sam_rho:
        for tensor in (*parameters, *model.buffers()):
            if tensor not in before:
                before[tensor] = tensor.detach().clone()
        result = closure()
        if not _move_to_worst_nearby(parameters, config):
            _restore(before)
            return result, False
        after_first = {buffer: buffer.clone() for buffer in model.buffers()}
        optimiser.zero_grad()
        closure()
        _restore(after_first)
        _restore({parameter: before[parameter] for parameter in parameters})
    else:
        result = closure()

    assert any(parameter.grad is not None for parameter in parameters), "the closure must run backward"
    if config.clip_norm is not None:
        nn.utils.clip_grad_norm_(parameters, config.clip_norm)
    optimiser.step()
    if blended:
        with torch.no_grad():
            for tensor in blended:
                tensor.lerp_(before[tensor], config.weight_blend)
    return result, True


def _floating_state(model: nn.Module) -> list[Tensor]:
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return [tensor for tensor in (*trained, *model.buffers()) if tensor.is_floating_point()]


@torch.no_grad()
def _move_to_worst_nearby(parameters: list[nn.Parameter], config: OptimiserConfig) -> bool:
    """Add rho * g / |g| to the weights, one norm over them all; False, and no move, when it is not finite."""
    pairs = [(parameter, parameter.grad) for parameter in parameters if parameter.grad is not None]
    norm = nn.utils.get_total_norm(
        [weight.abs() * gradient if config.sam_adaptive else gradient for weight, gradient in pairs]
    )
    if not torch.isfinite(norm):
        return False
    scale = config.sam_rho / (norm + 1e-12)
    for weight, gradient in pairs:
        weight.add_(weight.square() * gradient * scale if config.sam_adaptive else gradient * scale)
    return True


@torch.no_grad()
def _restore(values: dict[Tensor, Tensor]) -> None:
    for tensor, value in values.items():
        tensor.copy_(value)
