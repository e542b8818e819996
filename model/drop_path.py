"""Which samples skip which branches of a network in a training step, drawn for all of its blocks at once."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor


def draw_drop_path(
    rates: Float[Tensor, " blocks"], batch: int, dtype: torch.dtype
) -> Float[Tensor, "blocks 2 batch"]:
    """Draw what the branches of blocks are multiplied by: 0 with the block's rate, else 1 / (1 - rate), by sample.

    So whole samples are dropped, and the others keep the mean. The numbers come from the generator of the device of
    `rates`, in one draw: a draw for each branch would start four kernels on a GPU.

    Reference: Huang et al., "Deep Networks with Stochastic Depth", https://arxiv.org/abs/1603.09382
    """
    rates = rates[:, None, None]
    kept = torch.rand(len(rates), 2, batch, device=rates.device) >= rates
    return (kept / (1 - rates)).to(dtype)
