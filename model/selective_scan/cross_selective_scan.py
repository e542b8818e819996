"""The selective scan of a feature map in four directions at once: the core of SS2D."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from model.selective_scan import choose_engine, compiled, scan_dtype, selective_scan
from model.selective_scan.cross_scan import cross_merge, cross_scan, to_scan_order


class DirectionInputs(NamedTuple):
    """The sequences that the four scans read, each in its own order; delta is before bias and softplus.

    Channel c of the map is channel `direction * channels + c` of u and delta.
    """

    u: Float[Tensor, "batch 4*channels length"]
    delta: Float[Tensor, "batch 4*channels length"]
    B: Float[Tensor, "batch 4 state length"]
    C: Float[Tensor, "batch 4 state length"]


def cross_selective_scan(
    u: Float[Tensor, "batch height width channels"],
    projected: Float[Tensor, "batch height width inputs"],
    dt_weight: Float[Tensor, "4 channels rank"],
    dt_bias: Float[Tensor, "4 channels"],
    A: Float[Tensor, "4*channels state"],
    D: Float[Tensor, " 4*channels"],
    *,
    engine: str = "auto",
) -> Float[Tensor, "batch height width channels"]:
    """Scan a map along the four directions of `cross_scan`, and sum the outputs cell by cell.

    `projected` holds, cell by cell, one direction after another: the `rank` inputs of delta, then B, then C.
    `engine` and dtypes are those of `selective_scan`.
    """
    name = choose_engine(engine, u.device)
    with torch.autocast(u.device.type, enabled=False):
        if name == "triton":  # reads half precision as it is
            return compiled(name).cross_selective_scan(u, projected, dt_weight, dt_bias, A, D)
        dtype = scan_dtype(u)
        u, projected, dt_weight, dt_bias, A, D = (
            tensor.to(dtype) for tensor in (u, projected, dt_weight, dt_bias, A, D)
        )
        if name == "numba":
            return compiled(name).cross_selective_scan(u, projected, dt_weight, dt_bias, A, D)
        inputs = direction_inputs(u, projected, dt_weight)
        y = selective_scan(
            inputs.u, inputs.delta, A, inputs.B, inputs.C, D, dt_bias.flatten(), True, engine=engine
        )
        return cross_merge(y.unflatten(1, (4, -1)), *u.shape[1:3]).permute(0, 2, 3, 1)


def direction_inputs(
    u: Float[Tensor, "batch height width channels"],
    projected: Float[Tensor, "batch height width inputs"],
    dt_weight: Float[Tensor, "4 channels rank"],
) -> DirectionInputs:
    """Bring a map and its projections to the sequences that `cross_selective_scan` scans."""
    height, width = u.shape[1:3]
    rank = dt_weight.shape[2]
    states = (projected.shape[-1] // 4 - rank) // 2
    of_cells = projected.flatten(1, 2).unflatten(-1, (4, -1)).permute(0, 2, 3, 1)
    low, B, C = to_scan_order(of_cells, height, width).split([rank, states, states], dim=2)
    return DirectionInputs(
        u=cross_scan(u.permute(0, 3, 1, 2)).flatten(1, 2), delta=(dt_weight @ low).flatten(1, 2), B=B, C=C
    )
