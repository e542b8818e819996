"""The Lung-SRAD objective on one batch: cross-entropy on the clean pass, contrast with each mixed pass."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

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
) -> Losses:
    """Losses of one batch in 1 + len(mixes) forward passes, the clean one first.

    Mixed samples enter only the contrastive terms; `total` is the cross-entropy plus the weighted contrasts
    (Lung-SRAD, section 3.5.2, Eq. 8 to 10; which side is projected and detached is `patch_mix.form`).
    `projector` may be None only when there are no mixes.
    """
    clean = model.forward_features(inputs)
    cross_entropy = F.cross_entropy(
        _at_least_fp32(model.classify(clean)), labels, weight=class_weights, label_smoothing=label_smoothing
    )
    if not mixes:
        return Losses(cross_entropy, cross_entropy)
    if projector is None:
        raise ValueError("the contrast with mixed passes needs a projector")
    passes = [(mix, _at_least_fp32(model.forward_features(inputs, mix))) for mix in mixes]
    # A low temperature multiplies rounding errors, so the contrast is computed in single precision or better.
    with torch.autocast(inputs.device.type, enabled=False):
        contrast = contrastive_losses(patch_mix, _at_least_fp32(clean), passes, projector, labels)
    total = cross_entropy
    for axis, loss in contrast.items():
        total = total + patch_mix.weight(axis) * loss
    return Losses(total, cross_entropy, contrast)


def _at_least_fp32(features: Tensor) -> Tensor:
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
