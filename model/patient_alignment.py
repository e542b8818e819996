"""The losses of PAFA: features of one patient together, patients apart, and all centroids around one centre."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

EPSILON = 1e-6
"""Added to the distances between centroids, as in PAFA's code, so that equal centroids give a number."""


class PatientProjector(nn.Module):
    """Linear, layer norm, ReLU, linear; `dim` wide throughout, as PAFA's best runs had on AST and BEATs."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear1 = nn.Linear(dim, dim)
        self.norm = nn.LayerNorm(dim)
        self.linear2 = nn.Linear(dim, dim)

    def forward(self, features: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        return self.linear2(torch.relu(self.norm(self.linear1(features))))


def patient_losses(
    projected: Float[Tensor, "batch dim"], patients: Int[Tensor, " batch"]
) -> tuple[Float[Tensor, ""], Float[Tensor, ""]]:
    """Compute PAFA's two losses of a batch: cohesion and separation of patients, and their global alignment.

        c_p       centroid of the features f_i of patient p;  c = mean of the P centroids
        cohesion  = sum over p of sum over i in p of |f_i - c_p|^2 / (sum over p < q of |c_p - c_q|^2 + 1e-6)
        alignment = sum over p of |c_p - c|^2 / P

    The paper calls them PCSL and GPAL. The distances between centroids, summed over pairs, are P^2 times the alignment,
    and so computed. In a batch of one patient both are 0, without a gradient: there is nobody to part from. Where every
    cycle is a patient of its own, cohesion is 0. Pass float32 or better, outside autocast.

    Reference: Jeong and Kim, "Patient-Aware Feature Alignment", https://arxiv.org/abs/2505.23834
    """
    same = (patients[:, None] == patients[None, :]).to(projected.dtype)
    # A cycle's share of its patient. Sums over patients are sums over cycles with these weights, so that no count of
    # patients has to come from the device in the middle of a step.
    share = 1 / same.sum(dim=1)
    centroids = share[:, None] * (same @ projected)
    number = share.sum().round()
    centre = (share[:, None] * centroids).sum(dim=0) / number
    alignment = (share * (centroids - centre).square().sum(dim=1)).sum() / number
    within = (projected - centroids).square().sum()
    between = number.square() * alignment
    zero = torch.zeros_like(alignment)
    several = number > 1
    return torch.where(several, within / (between + EPSILON), zero), torch.where(several, alignment, zero)
