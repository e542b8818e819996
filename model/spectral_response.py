"""How a layer mixes the cells of its map, as a matrix, and what that does to each spatial frequency."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from model.ast import AST
from model.dass import DASS
from model.recipe_parts import SmoothingConfig
from model.selective_scan.cross_scan import from_scan_order
from model.selective_scan.cross_selective_scan import DirectionInputs
from model.smoothing import gaussian_smooth
from model.ss2d import SS2D

Mode = Literal["exact", "no_dt"]
MOST_CELLS = 2048
"""Cells of the largest map whose matrices are made: 64 MiB for each sample and direction in float32."""


def dass_response(
    model: DASS, x: Float[Tensor, "batch frames mels"], stage: int, block: int, mode: Mode = "exact"
) -> Float[Tensor, "batch cells"]:
    """Compute the `response_curve` of one block's SS2D for log-mels `x`; stages and blocks count from 0.

    Where the block is smoothed, S M or M S takes the place of the scans' matrix M, with S of `smoothing_matrix`: M S for
    the hook `scan_input`, whose maps are smoothed before they are scanned, S M for the others.

    Raises ValueError when the model has no such block, and for a map of more than `MOST_CELLS` cells.
    """
    layer = _ss2d_of(model, stage, block)
    met: list[Tensor] = []
    hook = layer.register_forward_pre_hook(lambda _, inputs: met.append(inputs[0]))
    try:
        with torch.no_grad():
            model(x)
    finally:
        hook.remove()
    height, width = met[0].shape[1:3]
    if height * width > MOST_CELLS:
        raise ValueError(
            f"block {block} of stage {stage} has a map of {height} x {width} cells, and the matrix between them has the "
            f"square of that; expected up to {MOST_CELLS} cells, as later stages have"
        )
    matrix = merged_matrix(ss2d_matrices(layer, met[0], mode), height, width)
    if layer.smoothing is not None:
        smoothed = smoothing_matrix(height, width, layer.smoothing).to(matrix)
        matrix = matrix @ smoothed if layer.smoothing.hook == "scan_input" else smoothed @ matrix
    return response_curve(matrix)


@torch.no_grad()
def ast_response(
    model: AST, x: Float[Tensor, "batch frames mels"], layer: int
) -> Float[Tensor, "batch tokens"]:
    """Compute the `response_curve` of the mean attention over heads of one encoder layer for log-mels `x`.

    The tokens are class, distillation, and the patches, frequency-major; layers count from 0. Raises ValueError when the
    model has no such layer.
    """
    if not 0 <= layer < len(model.blocks):
        raise ValueError(f"no layer {layer}: the encoder has {len(model.blocks)}, which count from 0")
    return response_curve(model.attentions(model.stem(x))[layer])


def smoothing_matrix(height: int, width: int, smoothing: SmoothingConfig) -> Float[Tensor, "cells cells"]:
    """Write Gaussian smoothing of a map as a matrix on row-major cells: column s is a smoothed map with 1 in cell s."""
    cells = height * width
    single = torch.eye(cells).view(cells, 1, height, width)
    maps = gaussian_smooth(single, smoothing.kernel_size, smoothing.sigma, smoothing.padding)
    return maps.view(cells, cells).T


@torch.no_grad()
def ss2d_matrices(
    layer: SS2D, x: Float[Tensor, "batch height width channels"], mode: Mode = "exact"
) -> Float[Tensor, "batch 4 cells cells"]:
    """Compute the `mixing_matrices` of a layer whose input is `x`."""
    return mixing_matrices(
        layer.scan_inputs(x), layer.dt_projs_bias.flatten(), -torch.exp(layer.A_logs), mode
    )


def mixing_matrices(
    inputs: DirectionInputs,
    dt_bias: Float[Tensor, " rows"],
    A: Float[Tensor, "rows state"],
    mode: Mode = "exact",
) -> Float[Tensor, "batch 4 cells cells"]:
    """Compute what step t of a scan takes from step s, as a mean over channels, for each direction in its own order.

        M[t, s] = sum_n C_t exp(A sum_{s < r <= t} delta_r) delta_s B_s   for s <= t, else 0

    The mode `no_dt` leaves the factor delta_s out, as the authors' analysis does. Both modes leave out the skip D.

    Reference: Lung-SRAD, Figs. 1 and 2, arXiv 2606.11922
    """
    delta = functional.softplus(inputs.delta + dt_bias[:, None]).unflatten(1, (4, -1))
    A = A.unflatten(0, (4, -1))
    channels, length = delta.shape[2:]
    future = torch.ones(length, length, dtype=torch.bool, device=delta.device).triu(1)
    total = torch.zeros(*delta.shape[:2], length, length, dtype=delta.dtype, device=delta.device)
    for c in range(channels):  # one at a time: all at once would take channels * length^2 numbers
        elapsed = delta[:, :, c].cumsum(-1)
        between = (elapsed[..., :, None] - elapsed[..., None, :]).masked_fill(future, 0)
        for n in range(A.shape[-1]):
            decay = torch.exp(between * A[:, c, n, None, None]).masked_fill(future, 0)
            drive = inputs.B[:, :, n] * delta[:, :, c] if mode == "exact" else inputs.B[:, :, n]
            total += inputs.C[:, :, n, :, None] * decay * drive[..., None, :]
    return total / channels


def merged_matrix(
    matrices: Float[Tensor, "batch 4 cells cells"], height: int, width: int
) -> Float[Tensor, "batch cells cells"]:
    """Sum the four directions' matrices on row-major cells."""
    return row_major(matrices, height, width).sum(1)


def row_major(
    matrices: Float[Tensor, "batch 4 cells cells"], height: int, width: int
) -> Float[Tensor, "batch 4 cells cells"]:
    """Bring both axes of each direction's matrix from the direction's scan order to row-major."""
    columns = from_scan_order(matrices, height, width)
    return from_scan_order(columns.transpose(-1, -2), height, width).transpose(-1, -2)


def response_curve(matrix: Float[Tensor, "batch cells cells"]) -> Float[Tensor, "batch cells"]:
    """Compute the mean over j of |F M F^-1|_ij: how strongly frequency i of the flattened map comes out, on average."""
    spectrum = torch.fft.ifft(torch.fft.fft(matrix, dim=-2), dim=-1)
    return spectrum.abs().mean(-1)


def min_max(values: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Shift and scale values to run from 0 to 1 over the whole tensor."""
    low, high = values.aminmax()
    return (values - low) / (high - low)


def _ss2d_of(model: DASS, stage: int, block: int) -> SS2D:
    depths = model.depths
    if not (0 <= stage < len(depths) and 0 <= block < depths[stage]):
        raise ValueError(
            f"no block {block} in stage {stage}: the stages have {', '.join(map(str, depths))} blocks"
        )
    layer = model.get_submodule(f"layers.{stage}.blocks.{block}.op")
    assert isinstance(layer, SS2D)
    return layer
