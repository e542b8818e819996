"""A feature map read as four sequences, and four sequences summed back onto the map."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

DIRECTIONS = 4


def cross_scan(
    x: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "batch 4 channels height*width"]:
    """Read a map's cells in four orders: by rows, by columns, and both from the end.

    By rows time (width) changes fastest, by columns frequency (height).

    Reference: Liu et al., "VMamba", section 4.2, https://arxiv.org/abs/2401.10166
    """
    return to_scan_order(x.flatten(2)[:, None].expand(-1, DIRECTIONS, -1, -1), *x.shape[2:])


def cross_merge(
    ys: Float[Tensor, "batch 4 channels length"], height: int, width: int
) -> Float[Tensor, "batch channels height width"]:
    """Put four sequences back onto the map, each from its own order, and sum them: the transpose of `cross_scan`."""
    return from_scan_order(ys, height, width).sum(1).unflatten(-1, (height, width))


def to_scan_order(
    x: Float[Tensor, "batch 4 channels length"], height: int, width: int
) -> Float[Tensor, "batch 4 channels length"]:
    """Bring four row-major sequences to the orders in which their directions meet the cells."""
    rows, columns = x[:, 0::2], _transposed(x[:, 1::2], height, width)
    return torch.stack([rows[:, 0], columns[:, 0], rows[:, 1].flip(-1), columns[:, 1].flip(-1)], dim=1)


def from_scan_order(
    ys: Float[Tensor, "batch 4 channels length"], height: int, width: int
) -> Float[Tensor, "batch 4 channels length"]:
    """Bring four sequences from their own orders back to row-major: the inverse of `to_scan_order`."""
    rows, columns = (
        torch.stack([ys[:, 0], ys[:, 2].flip(-1)], 1),
        torch.stack([ys[:, 1], ys[:, 3].flip(-1)], 1),
    )
    columns = _transposed(columns, width, height)
    return torch.stack([rows[:, 0], columns[:, 0], rows[:, 1], columns[:, 1]], dim=1)


def _transposed(x: Tensor, height: int, width: int) -> Tensor:
    return x.unflatten(-1, (height, width)).transpose(-1, -2).flatten(-2)
