"""The block that DASS is made of: SS2D, then a perceptron in every cell, each added to what came in."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from model.pointwise import Pointwise
from model.recipe_parts import SmoothingConfig
from model.ss2d import SS2D, smooth_at


class VSSBlock(nn.Module):
    """x + SS2D(norm(x)), then x + MLP(norm2(x)), on maps (batch, height, width, channels).

    In training each branch is left out for a sample with probability `drop_path`. Attribute names are the
    keys of the published weights.
    """

    def __init__(
        self,
        d_model: int,
        drop_path: float = 0.0,
        smoothing: SmoothingConfig | None = None,
        scan_engine: str = "auto",
    ) -> None:
        super().__init__()
        self.drop_path = drop_path
        self.smoothing = smoothing
        self.norm = nn.LayerNorm(d_model)
        self.op = SS2D(d_model, smoothing=smoothing, scan_engine=scan_engine)
        self.norm2 = nn.LayerNorm(d_model)
        self.mlp = MLP(d_model, 4 * d_model)

    def forward(
        self, x: Float[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch height width channels"]:
        x = x + drop_samples(self.op(self.norm(x)), self.drop_path, self.training)
        x = x + drop_samples(self.mlp(self.norm2(x)), self.drop_path, self.training)
        return smooth_at("block_output", x, self.smoothing)


class MLP(nn.Module):
    """Two linear layers with an exact GELU between them, in every cell."""

    def __init__(self, d_model: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = Pointwise(d_model, hidden)
        self.fc2 = Pointwise(hidden, d_model)

    def forward(
        self, x: Float[Tensor, "batch height width channels"]
    ) -> Float[Tensor, "batch height width channels"]:
        return self.fc2(functional.gelu(self.fc1(x)))


def drop_samples(
    x: Float[Tensor, "batch *rest"], probability: float, training: bool
) -> Float[Tensor, "batch *rest"]:
    """In training, set whole samples to zero with `probability` and scale the others to keep the mean.

    Reference: Huang et al., "Deep Networks with Stochastic Depth", https://arxiv.org/abs/1603.09382
    """
    if probability == 0 or not training:
        return x
    kept = torch.rand(x.shape[0], *[1] * (x.ndim - 1), device=x.device) >= probability
    return x * (kept / (1 - probability)).to(x.dtype)
