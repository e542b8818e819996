"""Mixup: convex combinations of two cycles of a batch and of their losses."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from data.placement import send
from model.patch_mix import draw_share


@dataclass(frozen=True, eq=False)
class Mixup:
    """Which partner each cycle of a batch is mixed with, and the share `lam` of itself that it keeps.

        input:  lam x_i + (1 - lam) x_pi(i)
        loss:   lam L(y) + (1 - lam) L(y of the partners)

    `share` is `lam` as a float64 on the device, for a step that is captured once and replayed with other numbers; None
    elsewhere.

    Reference: Zhang et al., "mixup: Beyond Empirical Risk Minimization", https://arxiv.org/abs/1710.09412
    """

    permutation: Int[Tensor, " batch"]
    lam: float
    share: Float[Tensor, ""] | None = None

    def __call__(self, inputs: Float[Tensor, "batch *cycle"]) -> Float[Tensor, "batch *cycle"]:
        """Return the mixed inputs."""
        kept, given = self._shares(inputs.dtype)
        return kept * inputs + given * inputs[send(self.permutation, inputs.device)]

    def loss(
        self,
        loss: Callable[[Tensor, Tensor], Float[Tensor, ""]],
        logits: Tensor,
        labels: Int[Tensor, " batch"],
    ) -> Float[Tensor, ""]:
        """Compute the loss of mixed inputs' logits; `labels` are those of the batch before it was mixed."""
        partners = labels[send(self.permutation, labels.device)]
        own, other = loss(logits, labels), loss(logits, partners)
        kept, given = self._shares(own.dtype)
        return kept * own + given * other

    def _shares(self, dtype: torch.dtype) -> tuple[float, float] | tuple[Tensor, Tensor]:
        if self.share is None:
            return self.lam, 1 - self.lam
        # Two numbers without an axis would be multiplied in the more precise type of them.
        return self.share.to(dtype), (1 - self.share).to(dtype)


def draw_mixup(batch: int, alpha: float, generator: torch.Generator) -> Mixup:
    """Draw partners and one share, from Beta(alpha, alpha), for a whole batch."""
    lam = draw_share(alpha, generator)
    return Mixup(torch.randperm(batch, generator=generator), lam)
