"""The Lung-SRAD objective on one batch: cross-entropy on the clean pass, contrast with each mixed pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from model.patch_mix import Axis, Mix, PatchMixConfig, contrastive_losses
from model.projector import Projector
from model.registry import Backbone


@dataclass(frozen=True)
class Losses:
    """Scalars of one batch. `contrast` has an entry for each mixed axis, before its weight."""

    total: Float[Tensor, ""]
    cross_entropy: Float[Tensor, ""]
    contrast: dict[Axis, Float[Tensor, ""]] = field(default_factory=dict)


def objective(
    model: Backbone,
    projector: Projector | None,
    inputs: Float[Tensor, "batch frames mels"],
    labels: Int[Tensor, " batch"],
    mixes: Sequence[Mix],
    patch_mix: PatchMixConfig,
    class_weights: Float[Tensor, " classes"] | None = None,
    label_smoothing: float = 0.0,
    accumulate: int = 1,
) -> Losses:
    """Losses of one batch in 1 + len(mixes) forward passes, the clean one first.

    Mixed samples enter only the contrastive terms; `total` is the cross-entropy plus the weighted contrasts
    (Lung-SRAD, section 3.5.2, Eq. 8 to 10; which side is projected and detached is `patch_mix.form`).
    `projector` may be None only when there are no mixes.

    With `accumulate` the backbone sees the batch in that many chunks, and again in the backward pass, so that it
    holds the activations of one chunk at a time. The losses are those of the whole batch all the same.
    """
    clean = _features(model, inputs, None, accumulate)
    cross_entropy = F.cross_entropy(
        _at_least_fp32(model.classify(clean)), labels, weight=class_weights, label_smoothing=label_smoothing
    )
    if not mixes:
        return Losses(cross_entropy, cross_entropy)
    if projector is None:
        raise ValueError("the contrast with mixed passes needs a projector")
    passes = [(mix, _at_least_fp32(_features(model, inputs, mix, accumulate))) for mix in mixes]
    # A low temperature multiplies rounding errors, so the contrast is computed in single precision or better.
    with torch.autocast(inputs.device.type, enabled=False):
        contrast = contrastive_losses(patch_mix, _at_least_fp32(clean), passes, projector, labels)
    total = cross_entropy
    for axis, loss in contrast.items():
        total = total + patch_mix.weight(axis) * loss
    return Losses(total, cross_entropy, contrast)


def _features(model: Backbone, inputs: Tensor, mix: Mix | None, chunks: int) -> Tensor:
    if chunks == 1:
        return model.forward_features(inputs, mix)
    # Drop path must drop the same samples when a chunk is computed again, hence preserve_rng_state.
    run = partial(checkpoint, _features_of_rows, model, inputs, use_reentrant=False, preserve_rng_state=True)
    features: list[Any] = [run(rows, mix) for rows in torch.arange(len(inputs)).chunk(chunks)]
    return torch.cat(features)


def _features_of_rows(model: Backbone, inputs: Tensor, rows: Tensor, mix: Mix | None) -> Tensor:
    """`model.forward_features(inputs, mix)[rows]`, without a full pass for partners that are not among `rows`."""
    own = inputs[rows]
    if mix is None:
        return model.forward_features(own)
    partners = _stem(model, inputs[mix.permutation[rows]])
    # In the grids of the rows and then of their partners, each half has its partners in the other half.
    pairs = Mix(mix.axis, torch.arange(2 * len(rows)).roll(len(rows)), mix.replaced)
    return model.forward_features(own, lambda grid: pairs(torch.cat([grid, partners]))[: len(rows)])


def _stem(model: Backbone, inputs: Tensor) -> Tensor:
    """The grid that `model` would mix: no backbone need offer it, but each hands it to a mix, and is left there."""

    def leave(grid: Tensor) -> Tensor:
        raise _Reached(grid)

    try:
        model.forward_features(inputs, leave)
    except _Reached as reached:
        return reached.grid
    raise AssertionError(f"{type(model).__name__}.forward_features did not call its mix")


class _Reached(Exception):
    def __init__(self, grid: Tensor) -> None:
        self.grid = grid


def _at_least_fp32(features: Tensor) -> Tensor:
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
