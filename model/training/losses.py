"""The classification loss of a recipe: cross-entropy with class weights, logit adjustment, smoothing or focus."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from model.training.recipe import LossConfig


@dataclass(frozen=True, eq=False)
class ClassificationLoss:
    """Mean loss over a batch, each cycle weighted by its class's entry of `weights` (None: all alike).

    `adjustment` is added to the logits. `label_smoothing` mixes each target with the uniform distribution.
    With `focal_gamma` g every cycle's loss is scaled by (1 - p)^g, where p is the softmax of its class in the
    adjusted logits (Lin et al., "Focal Loss", eq. 4 and 5, https://arxiv.org/abs/1708.02002; the mean is over the
    weights of the batch, so that g = 0 is cross-entropy).
    """

    weights: Float[Tensor, " classes"] | None = None
    adjustment: Float[Tensor, " classes"] | None = None
    label_smoothing: float = 0.0
    focal_gamma: float = 0.0

    def __call__(
        self, logits: Float[Tensor, "batch classes"], labels: Int[Tensor, " batch"]
    ) -> Float[Tensor, ""]:
        if self.adjustment is not None:
            logits = logits + self.adjustment
        if not self.focal_gamma:
            return functional.cross_entropy(
                logits, labels, weight=self.weights, label_smoothing=self.label_smoothing
            )
        log_p = logits.log_softmax(dim=1)[torch.arange(len(labels), device=labels.device), labels]
        # Powers below one have no slope at zero, where a probability is rounded to one.
        losses = -log_p * (-log_p.expm1()).clamp(min=1e-12) ** self.focal_gamma
        if self.weights is None:
            return losses.mean()
        weights = self.weights[labels]
        return (weights * losses).sum() / weights.sum()


def build_loss(
    config: LossConfig, labels: Int[Tensor, " cycles"], classes: int, device: torch.device
) -> ClassificationLoss:
    """Build the loss of a recipe for training cycles with these labels, for logits on `device`."""
    counts = torch.bincount(labels, minlength=classes).float().to(device)
    return ClassificationLoss(
        weights=None if config.class_weights == "none" else class_weights(counts, config.class_weight_power),
        adjustment=config.logit_adjustment * log_prior(counts) if config.logit_adjustment else None,
        label_smoothing=config.label_smoothing,
        focal_gamma=config.focal_gamma,
    )


def class_weights(counts: Float[Tensor, " classes"], power: float) -> Float[Tensor, " classes"]:
    """Weigh each class by its number of cycles to the minus `power`; the sum is 1, a class without cycles has 0."""
    inverse = torch.where(counts > 0, counts.clamp(min=1) ** -power, 0.0)
    return inverse / inverse.sum()


def log_prior(counts: Float[Tensor, " classes"]) -> Float[Tensor, " classes"]:
    """Log of each class's share of the cycles; a class without cycles counts as one with a single cycle.

    Added to the logits in training alone, it leaves the network's own logits free of how common classes are
    (Menon et al., "Long-tail learning via logit adjustment", eq. 10, https://arxiv.org/abs/2007.07314).
    """
    counts = counts.clamp(min=1)
    return (counts / counts.sum()).log()
