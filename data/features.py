"""Log-mel spectrograms of breaths: Kaldi filter bank, normalisation, resize to what the model expects."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor
from torchaudio.compliance import kaldi

from data.recipe_parts import FeatureConfig, Norm

AUDIOSET_MEAN = -4.2677393
AUDIOSET_STD = 4.5689974


def log_mel(wave: Float32[Tensor, "1 samples"], config: FeatureConfig) -> Float32[Tensor, "frames mels"]:
    """Compute the natural log of mel power per frame, floored at log(float32 epsilon) = -15.94, not normalised.

    Per frame: mean removed, pre-emphasis 0.97, symmetric Hann window, power spectrum of the next power of
    two, triangles linear in mel without area normalisation. No dither; only frames that fit whole. With 128
    bins over a 512-point FFT, bin 3 has no FFT line under it and stays at the floor, as in the published
    features.

    The numbers are to the bit those of `torchaudio.compliance.kaldi.fbank`, which makes window and mel bank anew in
    each call and takes 61 operations. This function takes 23: threads that compute features side by side wait for
    the interpreter after every operation.
    """
    window, bank = _window_and_mel_bank(
        config.window_samples, config.n_mels, config.sample_rate, config.low_hz, config.high_hz or 0.0
    )
    frames = wave[0].unfold(0, config.window_samples, config.shift_samples)
    centred = frames - frames.mean(dim=1, keepdim=True)
    padded = torch.zeros(len(frames), 2 * (len(bank) - 1))
    emphasised = padded[:, : config.window_samples]
    torch.sub(centred[:, 1:], 0.97 * centred[:, :-1], out=emphasised[:, 1:])
    torch.sub(centred[:, :1], 0.97 * centred[:, :1], out=emphasised[:, :1])
    emphasised *= window
    power = torch.fft.rfft(padded).abs().pow_(2)
    return (power @ bank).clamp_(min=torch.finfo(torch.float32).eps).log_()


def normalise(features: Float[Tensor, "frames mels"], norm: Norm) -> Float[Tensor, "frames mels"]:
    """Scale to (x - mean) / (2 std), with the spectrogram's own mean and (unbiased) std, or those of AudioSet.

    A constant spectrogram (digital silence) has no spread of its own and becomes all zeros.
    """
    if norm == "audioset":
        return (features - AUDIOSET_MEAN) / (2 * AUDIOSET_STD)
    # torch.std_mean works in float64 too, but in one pass that takes seven times as long.
    exact = features.to(torch.float64, copy=True)
    mean = exact.mean()
    std = torch.linalg.vector_norm(exact.sub_(mean)) / math.sqrt(features.numel() - 1)
    mean, std = mean.to(features.dtype), std.to(features.dtype)
    return (features - mean).div_(2 * std) if std > 0 else torch.zeros_like(features)


def model_input(
    batch: Float[Tensor, "batch frames mels"], target_frames: int | None
) -> Float[Tensor, "batch target_frames mels"]:
    """Stretch or shrink a batch along time to `target_frames` (None: unchanged), on the batch's device.

    Bilinear with half-pixel centres; shrinking low-passes first. SpecAugment comes before this step.
    """
    if target_frames is None or target_frames == batch.shape[1]:
        return batch
    size = (target_frames, batch.shape[2])
    shrinks = target_frames < batch.shape[1]
    return F.interpolate(batch[:, None], size, mode="bilinear", align_corners=False, antialias=shrinks)[:, 0]


@functools.lru_cache(maxsize=8)
def _window_and_mel_bank(
    window_samples: int, n_mels: int, sample_rate: int, low_hz: float, high_hz: float
) -> tuple[Float32[Tensor, " window_samples"], Float32[Tensor, "lines mels"]]:
    """Make the Hann window, and the mel bank over the lines of an FFT of the next power of two; `high_hz` 0: Nyquist."""
    lines = 1 << (window_samples - 1).bit_length()
    # The last three say that no frequency is warped.
    bank, _ = kaldi.get_mel_banks(n_mels, lines, sample_rate, low_hz, high_hz, 100.0, -500.0, 1.0)
    # The line at Nyquist counts for nothing.
    return torch.hann_window(window_samples, periodic=False), F.pad(bank, (0, 1)).T
