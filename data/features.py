"""Log-mel spectrograms of cycles: two front ends, normalisation, resize to what the model expects."""

from __future__ import annotations

import functools
import math
import warnings

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from torch import Tensor
from torchaudio.compliance import kaldi
from torchaudio.functional import melscale_fbanks

from data.recipe_parts import FeatureConfig, Fill, Norm, Window

AUDIOSET_MEAN = -4.2677393
AUDIOSET_STD = 4.5689974
BEATS_MEAN = 15.41663
BEATS_STD = 6.55582
"""Of AudioSet's waveforms times `BEATS_SCALE`, as published with BEATs (arXiv 2212.09058)."""
BEATS_SCALE = 2.0**15
"""What waveforms up to 1 are multiplied by, so that they are as loud as 16-bit numbers."""


def log_mel(wave: Float32[Tensor, "1 samples"], config: FeatureConfig) -> Float32[Tensor, "frames mels"]:
    """Compute the log of mel power per frame, not normalised, by the front end that `config` names.

    For norm `beats` the wave is first made 2^15 times as loud. That adds 20.79 to all log-mels but those at the floor of
    the log, which it puts as much lower beside the rest. Nothing is rounded by it.
    """
    if config.norm == "beats":
        wave = wave * BEATS_SCALE
    return stft_db(wave, config) if config.front_end == "stft_db" else kaldi_log_mel(wave, config)


def kaldi_log_mel(
    wave: Float32[Tensor, "1 samples"], config: FeatureConfig
) -> Float32[Tensor, "frames mels"]:
    """Compute the natural log of mel power per frame, floored at log(float32 epsilon) = -15.94, not normalised.

    Per frame: mean removed, pre-emphasis 0.97, symmetric Hann window (or Povey's, by `config.window`), power spectrum
    of the next power of two, triangles linear in mel without area normalisation. No dither; only frames that fit whole.
    With 128 bins over a 512-point FFT, bin 3 has no FFT line under it and stays at the floor, as in the published
    features.

    The numbers are to the bit those of `torchaudio.compliance.kaldi.fbank`, which makes window and mel bank anew in
    each call and takes 61 operations. This function takes 23: threads that compute features side by side wait for
    the interpreter after every operation.
    """
    return kaldi_mel_power(wave[0], config).clamp_(min=torch.finfo(torch.float32).eps).log_()


def kaldi_mel_power(
    waves: Float32[Tensor, "*batch samples"], config: FeatureConfig
) -> Float32[Tensor, "*batch frames mels"]:
    """Compute the mel power of each frame of waves, before floor and log, on the device of the waves."""
    window, bank = kaldi_window_and_bank(config, waves.device)
    frames = waves.unfold(-1, config.window_samples, config.shift_samples)
    centred = frames - frames.mean(dim=-1, keepdim=True)
    padded = torch.zeros(*frames.shape[:-1], 2 * (len(bank) - 1), device=waves.device)
    emphasised = padded[..., : config.window_samples]
    torch.sub(centred[..., 1:], 0.97 * centred[..., :-1], out=emphasised[..., 1:])
    torch.sub(centred[..., :1], 0.97 * centred[..., :1], out=emphasised[..., :1])
    emphasised *= window
    power = torch.fft.rfft(padded).abs().pow_(2)
    return power @ bank


def kaldi_window_and_bank(
    config: FeatureConfig, device: torch.device
) -> tuple[Float32[Tensor, " window_samples"], Float32[Tensor, "lines mels"]]:
    """Make the window of a frame, and the weight of each line of the FFT in each mel bin, once for each device."""
    return _window_and_mel_bank(
        config.window_samples,
        config.n_mels,
        config.sample_rate,
        config.low_hz,
        config.high_hz or 0.0,
        config.window,
        device,
    )


def stft_db(wave: Float32[Tensor, "1 samples"], config: FeatureConfig) -> Float32[Tensor, "frames mels"]:
    """Compute mel power per frame in dB, 10 log10, floored at 1e-10 (-100 dB), not normalised.

    Power spectrum of periodic Hann windows, as long as the FFT, centred on every shift from the first sample on, with
    both ends of the wave reflected; HTK mel scale, triangles linear in frequency without area normalisation. 8 s at
    16 kHz in 64 ms every 32 ms are 251 frames.

    Reference: Moummad & Farrugia, https://arxiv.org/abs/2210.16192, with 64 bands from 50 to 2000 Hz
    """
    window, bank = _periodic_window_and_htk_bank(
        config.window_samples,
        config.n_mels,
        config.sample_rate,
        config.low_hz,
        config.high_hz or config.sample_rate / 2,
    )
    lines = torch.stft(
        wave[0],
        len(window),
        config.shift_samples,
        window=window,
        center=True,
        pad_mode="reflect",
        return_complex=True,
    )
    power = lines.abs().pow_(2).T
    return (power @ bank).clamp_(min=1e-10).log10_().mul_(10)


def normalise(features: Float[Tensor, "frames mels"], norm: Norm) -> Float[Tensor, "frames mels"]:
    """Scale to (x - mean) / (2 std), with the spectrogram's own mean and (unbiased) std, or those of AudioSet, by AST's
    count or by BEATs'.

    `min_max` scales to [0, 1] between the spectrogram's own extremes. A constant spectrogram (digital silence) has no
    spread of its own and becomes all zeros.
    """
    if norm == "min_max":
        lowest, highest = features.aminmax()
        spread = highest - lowest
        return (features - lowest) / spread if spread > 0 else torch.zeros_like(features)
    if norm == "audioset":
        return (features - AUDIOSET_MEAN) / (2 * AUDIOSET_STD)
    if norm == "beats":
        return (features - BEATS_MEAN) / (2 * BEATS_STD)
    # torch.std_mean works in float64 too, but in one pass that takes seven times as long.
    exact = features.to(torch.float64, copy=True)
    mean = exact.mean()
    std = torch.linalg.vector_norm(exact.sub_(mean)) / math.sqrt(features.numel() - 1)
    mean, std = mean.to(features.dtype), std.to(features.dtype)
    return (features - mean).div_(2 * std) if std > 0 else torch.zeros_like(features)


def model_input(
    batch: Float[Tensor, "batch frames mels"], target_frames: int | None, fill: Fill = "resize"
) -> Float[Tensor, "batch target_frames mels"]:
    """Stretch or shrink a batch along time to `target_frames` (None: unchanged), on the batch's device.

    Bilinear with half-pixel centres; shrinking low-passes first. With `fill` raw_zero, for batches normalised by
    AudioSet's statistics, frames are appended instead that were 0 before the normalisation: +0.467, as in the code of
    AST + SAM (arXiv 2512.22564). SpecAugment comes before this step, so masks are drawn on computed frames alone.
    """
    if target_frames is None or target_frames == batch.shape[1]:
        return batch
    if fill == "raw_zero":
        zero = -AUDIOSET_MEAN / (2 * AUDIOSET_STD)
        return F.pad(batch, (0, 0, 0, target_frames - batch.shape[1]), value=zero)
    size = (target_frames, batch.shape[2])
    shrinks = target_frames < batch.shape[1]
    return F.interpolate(batch[:, None], size, mode="bilinear", align_corners=False, antialias=shrinks)[:, 0]


@functools.lru_cache(maxsize=8)
def _window_and_mel_bank(
    window_samples: int,
    n_mels: int,
    sample_rate: int,
    low_hz: float,
    high_hz: float,
    window_shape: Window,
    device: torch.device,
) -> tuple[Float32[Tensor, " window_samples"], Float32[Tensor, "lines mels"]]:
    """Make the window, and the mel bank over the lines of an FFT of the next power of two; `high_hz` 0: Nyquist."""
    lines = 1 << (window_samples - 1).bit_length()
    # The last three say that no frequency is warped.
    bank, _ = kaldi.get_mel_banks(n_mels, lines, sample_rate, low_hz, high_hz, 100.0, -500.0, 1.0)
    # The line at Nyquist counts for nothing.
    window = torch.hann_window(window_samples, periodic=False)
    if window_shape == "povey":
        window = window.pow(0.85)
    return window.to(device), F.pad(bank, (0, 1)).T.to(device)


@functools.lru_cache(maxsize=8)
def _periodic_window_and_htk_bank(
    window_samples: int, n_mels: int, sample_rate: int, low_hz: float, high_hz: float
) -> tuple[Float32[Tensor, " window_samples"], Float32[Tensor, "lines mels"]]:
    """Make the Hann window, and the mel bank over the lines of an FFT as long as the window."""
    with warnings.catch_warnings():
        # A narrow band may have no line under it; it stays at the floor.
        warnings.filterwarnings("ignore", "At least one mel filterbank", UserWarning)
        bank = melscale_fbanks(window_samples // 2 + 1, low_hz, high_hz, n_mels, sample_rate)
    return torch.hann_window(window_samples), bank
