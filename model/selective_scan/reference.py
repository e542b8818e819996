"""The selective scan by its definition, in plain PyTorch: what every other engine is tested against."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def selective_scan(
    u: Float[Tensor, "batch channels length"],
    delta: Float[Tensor, "batch channels length"],
    A: Float[Tensor, "channels state"],
    B: Float[Tensor, "batch groups state length"],
    C: Float[Tensor, "batch groups state length"],
    D: Float[Tensor, " channels"] | None,
    delta_bias: Float[Tensor, " channels"] | None,
    delta_softplus: bool,
) -> Float[Tensor, "batch channels length"]:
    """Run `model.selective_scan.selective_scan` on any device and dtype, one step after another.

    Work and memory are linear in the length, backward too: the time axis is unbound once, where indexing a
    step at a time would make autograd add a tensor of full length for every step.

    Reference: Gu & Dao, "Mamba", Algorithm 2, https://arxiv.org/abs/2312.00752
    """
    if delta_bias is not None:
        delta = delta + delta_bias[:, None]
    if delta_softplus:
        delta = functional.softplus(delta)
    B, C = (of_group.repeat_interleave(u.shape[1] // of_group.shape[1], dim=1) for of_group in (B, C))
    decay = torch.exp(delta[:, :, None] * A[:, :, None])  # (batch, channels, state, length)
    drive = (delta * u)[:, :, None] * B
    h = torch.zeros_like(drive[..., 0])
    states = []
    for decay_t, drive_t in zip(decay.unbind(-1), drive.unbind(-1), strict=True):
        h = decay_t * h + drive_t
        states.append(h)
    y = (torch.stack(states, dim=-1) * C).sum(2)
    return y if D is None else y + D[:, None] * u
