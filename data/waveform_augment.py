"""Gain and white noise of waveforms, as they change the log-mels that are stored of them."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Float32
from torch import Tensor

from data.features import AUDIOSET_MEAN, AUDIOSET_STD, kaldi_mel_power, kaldi_window_and_bank, normalise
from data.placement import send
from data.recipe_parts import FeatureConfig, WaveformAugmentConfig

LEAST_POWER = torch.finfo(torch.float32).eps
"""Mel power below which a log-mel is floored."""
FLOORED = math.log(LEAST_POWER) + 0.01
"""Log-mels up to this one are at the floor; the margin is twice the rounding of a store in float16."""


def waveform_augment(
    batch: Float[Tensor, "batch frames mels"],
    config: WaveformAugmentConfig,
    features: FeatureConfig,
    generator: torch.Generator,
) -> Float[Tensor, "batch frames mels"]:
    """Change log-mels normalised by AudioSet's statistics as gain, and then white noise, would change their clips.

    Returns a changed copy on the batch's device. All draws come from `generator` on the CPU. A cycle that draws neither
    gain nor noise stays as it is to the bit.

    A gain g multiplies every mel power by g^2, so it is exact but for rounding and for cells at the floor, whose power
    is unknown: they stay there, where a gain above 1 would lift some by up to 2 ln g.

    Noise is drawn as a waveform and goes through the front end, so its own power Q in all cells is that of real noise.
    The noisy power is P + Q + 2 sqrt(P Q / n) cos(phi). P is the clip's power, taken for 0 at the floor. The angle phi
    between clip and noise is drawn for each cell from 0 to 2 pi, for a log-mel keeps no phases. The mean of that power
    is exact; in a bin over a single line of the FFT its distribution is, too. In other bins the spread around the mean
    is approximate: n counts the lines of the bin as if the clip's power were even among them. And the angles of frames
    that overlap, which are nearly the same in truth, are drawn apart. Noise covers the whole clip, padding included.
    """
    draws = torch.rand(3, len(batch), generator=generator)
    louder = draws[0] < (config.gain_probability if config.gain else 0)
    noisy = draws[2] < (config.noise_probability if config.noise else 0)
    gains = torch.where(louder, 1 + config.gain * (2 * draws[1] - 1), 1)

    device = batch.device
    log_mels = batch * (2 * AUDIOSET_STD) + AUDIOSET_MEAN
    power = torch.where(log_mels > FLOORED, log_mels.exp(), 0) * send(gains.square(), device)[:, None, None]
    rows = noisy.nonzero()[:, 0]
    if len(rows):
        waves = config.noise * torch.randn(len(rows), features.samples, generator=generator)
        angles = 2 * math.pi * torch.rand(len(rows), *batch.shape[1:], generator=generator)
        rows = send(rows, device)
        clean, added = power[rows], kaldi_mel_power(send(waves, device), features)
        cross = 2 * (clean * added / _lines(features, device)).sqrt() * send(angles, device).cos()
        power = power.index_copy(0, rows, clean + added + cross)
    changed = normalise(power.clamp(min=LEAST_POWER).log().flatten(0, 1), "audioset").view_as(batch)
    return torch.where(send(louder | noisy, device)[:, None, None], changed, batch)


def _lines(features: FeatureConfig, device: torch.device) -> Float32[Tensor, " mels"]:
    """Number of FFT lines in each mel bin, as many as its weights amount to; 1 for a bin without any line."""
    _, bank = kaldi_window_and_bank(features, device)
    squares = bank.square().sum(dim=0).clamp(min=torch.finfo(torch.float32).tiny)
    return (bank.sum(dim=0).square() / squares).clamp(min=1)
