"""SpecAugment: random frequency bands and time spans of a spectrogram replaced by its mean."""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from data.placement import send
from data.recipe_parts import SpecAugmentConfig


def spec_augment(
    batch: Float[Tensor, "batch frames mels"], config: SpecAugmentConfig, generator: torch.Generator
) -> Float[Tensor, "batch frames mels"]:
    """Mask random frequency bands and time spans of each sample; returns a masked copy on the batch's device.

    All draws come from `generator` on the CPU, so they are the same on every device. Frequency masks are
    filled with the sample's mean, then time masks with the mean of the sample so masked. A mask is at most as
    wide as its axis.
    """
    samples, frames, mels = batch.shape
    applied = torch.rand(samples, generator=generator) < config.probability
    bands = _spans(samples, config.frequency_masks, config.frequency_width, mels, generator)
    times = _spans(samples, config.time_masks, config.time_width, frames, generator)
    bands = send(bands & applied[:, None], batch.device)
    times = send(times & applied[:, None], batch.device)
    masked = torch.where(bands[:, None, :], batch.mean(dim=(1, 2), keepdim=True), batch)
    return torch.where(times[:, :, None], masked.mean(dim=(1, 2), keepdim=True), masked)


def _spans(
    samples: int, masks: int, width: int, length: int, generator: torch.Generator
) -> Bool[Tensor, "samples length"]:
    """True where any of a sample's `masks` spans lies on an axis of `length` cells."""
    draws = torch.rand(2, samples, masks, 1, generator=generator, dtype=torch.float64)
    widths = (draws[0] * min(width, length)).long()
    starts = (draws[1] * (length - widths + 1)).long()
    cells = torch.arange(length)
    return ((cells >= starts) & (cells < starts + widths)).any(dim=1)
