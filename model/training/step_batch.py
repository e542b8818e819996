"""What a training step is told of its batch, and what makes one batch unlike another for a step that is replayed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from data.placement import send
from model.mixup import Mixup
from model.patch_mix import Mix
from model.training.domain_losses import DomainBatch


@dataclass(frozen=True, eq=False)
class StepBatch:
    """What a training step is told of its batch: all that chance decides outside the network is drawn."""

    inputs: Float[Tensor, "batch *cycle"]
    labels: Int[Tensor, " batch"]
    mixes: Sequence[Mix] = ()
    mixup: Mixup | None = None
    domain: DomainBatch | None = None


def other_batch(batch: StepBatch) -> StepBatch:
    """Make a batch of the form of `batch`, all on its device, that differs from it in everything that a step reads."""
    device = batch.inputs.device
    mixes = [
        replace(
            mix,
            permutation=send(mix.permutation.roll(1), device),
            replaced=send(~mix.replaced, device),
            share=send(_other_share(mix), device),
        )
        for mix in batch.mixes
    ]
    mixup = batch.mixup
    if mixup is not None:
        permutation = send(mixup.permutation.roll(1), device)
        mixup = replace(mixup, permutation=permutation, share=send(_other_share(mixup), device))
    labels = (batch.labels == 0).to(batch.labels.dtype)
    return StepBatch(batch.inputs.roll(1, dims=0), labels, mixes, mixup)


def _other_share(mix: Mix | Mixup) -> Tensor:
    return (_share(mix) + 0.5) % 1


def tensors_of(batch: StepBatch) -> list[Tensor]:
    """List all that a step reads of a batch."""
    found = [batch.inputs, batch.labels]
    for mix in batch.mixes:
        found += [mix.permutation, mix.replaced, _share(mix)]
    if batch.mixup is not None:
        found += [batch.mixup.permutation, _share(batch.mixup)]
    return found


def _share(mix: Mix | Mixup) -> Tensor:
    return torch.tensor(mix.lam, dtype=torch.float64) if mix.share is None else mix.share


def form_of(batch: StepBatch) -> list[object]:
    """Tell batches apart that one captured step cannot serve."""
    mixes = [(mix.axis, mix.replaced.shape) for mix in batch.mixes]
    return [batch.inputs.shape, batch.inputs.dtype, batch.labels.shape, mixes, batch.mixup is None]
