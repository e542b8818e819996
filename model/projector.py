"""The head through which the contrastive loss sees a backbone's features."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Projector(nn.Module):
    """Linear, batch norm, ReLU, linear; `dim` wide throughout (Lung-SRAD, equation 8; Patch-Mix).

    Batch statistics are those of one call, so clean and mixed features go through it separately.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, dim)
        self.bn = nn.BatchNorm1d(dim)
        self.linear2 = nn.Linear(dim, dim)

    def forward(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        return self.linear2(torch.relu(self.bn(self.linear1(features))))
