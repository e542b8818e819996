"""The losses of SG-SCL: a supervised contrast over recording devices, and a device classifier to deceive."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional


class DeviceClassifier(nn.Module):
    """Layer norm and a linear layer from features to logits of devices, as SG-SCL's AST has for its domains."""

    def __init__(self, dim: int, devices: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.linear = nn.Linear(dim, devices)

    def forward(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch devices"]:
        return self.linear(self.norm(features))


def device_contrast_loss(
    projected: Float[Tensor, "views dim"], devices: Int[Tensor, " views"], temperature: float
) -> Float[Tensor, ""]:
    """Supervised contrast: views of one device attract, relative to all views, on cosine similarities.

        L_i = - mean over p in P(i) of log( exp(cos(z_i, z_p) / T) / sum over a != i of exp(cos(z_i, z_a) / T) )
        L   = mean of L_i over the views i whose P(i) is not empty

    P(i) are the other views with the device of view i, where views are cycles, or two passes of each cycle one after
    the other. A batch of one device alone has nothing to contrast: its loss is 0 and has no gradient, and so is that of
    views which are all of different devices. A low temperature magnifies rounding: pass float32 or better, outside
    autocast.

    Reference: Kim et al., "Stethoscope-guided Supervised Contrastive Learning", https://arxiv.org/abs/2312.09603; the
    loss is L_out of Khosla et al., "Supervised Contrastive Learning", eq. 2, https://arxiv.org/abs/2004.11362
    """
    unit = functional.normalize(projected, dim=1)
    own = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    similarity = (unit @ unit.T / temperature).masked_fill(own, -math.inf)
    positive = (devices[:, None] == devices[None, :]) & ~own
    log_p = similarity.log_softmax(dim=1).masked_fill(~positive, 0.0)
    positives = positive.sum(dim=1)
    losses = -log_p.sum(dim=1) / positives.clamp(min=1)
    loss = losses.sum() / (positives > 0).sum().clamp(min=1)
    # On the device, as asking how many there are would make the CPU wait for every batch.
    several = (devices != devices[0]).any()
    return torch.where(several, loss, torch.zeros_like(loss))
