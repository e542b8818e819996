"""A layer that lets numbers pass and turns gradients round, and how strongly it does so in the course of a training."""

from __future__ import annotations

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from model.domain_parts import Reversal

STEEPNESS = 10.0
"""How fast the ramp rises: gamma of the paper."""


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, features: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(features: Float[Tensor, "*shape"], strength: float) -> Float[Tensor, "*shape"]:
    """Return `features` as they are; gradients that come back through them are multiplied by -`strength`.

    What comes after this layer is trained to lower a loss, and what comes before it to raise the same loss.

    Reference: Ganin et al., "Domain-Adversarial Training of Neural Networks", eq. 16 to 18,
    https://arxiv.org/abs/1505.07818
    """
    return _Reversed.apply(features, strength)  # pyright: ignore[reportReturnType]


def reversal_strength(reversal: Reversal, progress: float) -> float:
    """Strength of reversed gradients when a share `progress` (0 to 1) of all training is done.

        constant:  1
        ramp:      2 / (1 + exp(-10 progress)) - 1

    The ramp is that of Ganin et al., section 5.2.2; it begins at 0, so that a device classifier that knows nothing yet
    does not lead the network.
    """
    if reversal == "constant":
        return 1.0
    return 2 / (1 + math.exp(-STEEPNESS * progress)) - 1
