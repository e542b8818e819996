"""The objective on one batch: cross-entropy on the clean pass, contrast with each mixed pass, and further losses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from model.backbone import Backbone
from model.batch_norm import holds_batch_norm, keeping_running_statistics
from model.mixup import Mixup
from model.patch_mix import Mix, contrastive_losses
from model.projector import Projector
from model.recipe_parts import PatchMixConfig
from model.training.domain_losses import DomainBatch
from model.training.epoch_metrics import TrainingError
from model.training.losses import ClassificationLoss

PLAIN = ClassificationLoss()
"""Cross-entropy, every cycle alike."""


@dataclass(frozen=True)
class Losses:
    """Scalars of one batch.

    `cross_entropy` is the classification loss, whatever its form. `terms` has every other loss, before its weight:
    `contrast_AXIS` of each mixed axis, and those of `model.training.domain_losses`.
    """

    total: Float[Tensor, ""]
    cross_entropy: Float[Tensor, ""]
    terms: dict[str, Float[Tensor, ""]] = field(default_factory=dict)

    @property
    def named(self) -> dict[str, Float[Tensor, ""]]:
        """All losses by their names."""
        return {"total": self.total, "cross_entropy": self.cross_entropy, **self.terms}

    def each(self, function: Callable[[Tensor], Tensor]) -> Losses:
        """Apply `function` to each loss."""
        terms = {name: function(one) for name, one in self.terms.items()}
        return Losses(function(self.total), function(self.cross_entropy), terms)


def objective(
    model: Backbone,
    projector: Projector | None,
    inputs: Float[Tensor, "batch *cycle"],
    labels: Int[Tensor, " batch"],
    mixes: Sequence[Mix],
    patch_mix: PatchMixConfig,
    classification: ClassificationLoss = PLAIN,
    mixup: Mixup | None = None,
    accumulate: int = 1,
    domain: DomainBatch | None = None,
) -> Losses:
    """Compute the losses of one batch and its mixed copies; only the clean batch is classified.

    With `mixup` the cycles of the clean batch are mixed in pairs first, and Patch-Mix copies what comes of it. Mixed
    copies enter only the contrastive terms; `total` is the classification loss plus the weighted contrasts
    (Lung-SRAD, section 3.5.2, Eq. 8 to 10; which side is projected and detached is `patch_mix.form`).
    `projector` may be None only when there are no mixes. The stem is computed once for all copies, which go through the
    rest of the backbone together; the paper's forms detach the mixed copies, which then need no graph. Where the rest
    holds batch norm, each copy goes through it alone, normalised by its own statistics; the running statistics are
    those of the clean batch.

    With `accumulate` the backbone sees the batch in that many chunks, and again in the backward pass, so that it
    holds the activations of one chunk at a time; a stem with batch norm sees the batch whole, and once. The losses are
    still those of the whole batch. Raises TrainingError for batch norm after the stem (`check_accumulates`).

    `domain`: losses over patients and devices, which see the features of the clean batch; the batch must not be mixed
    up then. A second view that they ask for is a pass of its own, without a gradient, which leaves running statistics
    alone.
    """
    if mixes and projector is None:
        raise ValueError("the contrast with mixed passes needs a projector")
    check_accumulates(model, accumulate)
    run = partial(_in_chunks, chunks=accumulate)
    if mixup is not None:
        inputs = mixup(inputs)
    grid = _stem(model, inputs, run)
    if not mixes:
        clean, mixed = run(model.forward_grid, grid), list[Tensor]()
    elif patch_mix.form == "reference" and not _normalises_batches_after_stem(model):
        grids = torch.cat([grid, *(mix(grid) for mix in mixes)])
        clean, *mixed = run(model.forward_grid, grids, copies=1 + len(mixes)).split(len(inputs))
    else:
        clean = run(model.forward_grid, grid)
        with (
            nullcontext() if patch_mix.form == "reference" else torch.no_grad(),
            keeping_running_statistics(model),
        ):
            mixed = [run(model.forward_grid, mix(grid)) for mix in mixes]
    second = None
    if domain is not None and domain.second_inputs is not None:
        with torch.no_grad(), keeping_running_statistics(model):
            second = run(model.forward_grid, _stem(model, domain.second_inputs, run))
    logits = _at_least_fp32(model.classify(clean))
    cross_entropy = (
        classification(logits, labels) if mixup is None else mixup.loss(classification, logits, labels)
    )
    total, terms = cross_entropy, dict[str, Tensor]()
    if projector is None and domain is None:
        return Losses(total, cross_entropy, terms)
    # A low temperature multiplies rounding errors, so these losses are computed in single precision or better.
    with torch.autocast(inputs.device.type, enabled=False):
        features = _at_least_fp32(clean)
        if projector is not None:
            passes = [(mix, _at_least_fp32(one)) for mix, one in zip(mixes, mixed, strict=True)]
            contrast = contrastive_losses(patch_mix, features, passes, projector, labels)
            for axis, loss in contrast.items():
                terms[f"contrast_{axis}"] = loss
                total = total + patch_mix.weight(axis) * loss
        if domain is not None:
            again = None if second is None else _at_least_fp32(second)
            found = domain.losses(features, again, domain.origins, domain.reversal)
            for name, loss in found.items():
                terms[name] = loss
                total = total + domain.losses.weights[name] * loss
    return Losses(total, cross_entropy, terms)


def check_accumulates(model: Backbone, accumulate: int) -> None:
    """Raise TrainingError when `model` cannot be trained on a batch in `accumulate` chunks."""
    if accumulate > 1 and _normalises_batches_after_stem(model):
        raise TrainingError(
            f"a batch cannot be trained in {accumulate} chunks: {type(model).__name__} has batch norm after its stem, "
            "which needs the whole batch; where the memory does not hold it, take a smaller batch_size"
        )


def _normalises_batches_after_stem(model: Backbone) -> bool:
    return holds_batch_norm(model, outside=model.stem_layers)


def _stem(model: Backbone, inputs: Tensor, run: Callable[..., Tensor]) -> Tensor:
    """Compute the stem of a batch: whole where it holds batch norm, and by `run` in chunks elsewhere."""
    return model.stem(inputs) if holds_batch_norm(model.stem_layers) else run(model.stem, inputs)


def _in_chunks(function: Callable[[Tensor], Tensor], rows: Tensor, chunks: int, copies: int = 1) -> Tensor:
    """Apply `function` to `copies` batches of rows; chunks, if more than one each, one by one, and again backward."""
    if chunks == 1:
        return function(rows)
    # Drop path must drop the same samples when a chunk is computed again, hence preserve_rng_state.
    run: Any = partial(checkpoint, function, use_reentrant=False, preserve_rng_state=True)
    return torch.cat([run(chunk) for chunk in rows.chunk(chunks * copies)])


def _at_least_fp32(features: Tensor) -> Tensor:
    return features.float() if features.dtype in (torch.float16, torch.bfloat16) else features
