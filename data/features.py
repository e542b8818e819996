"""Log-mel spectrograms of breaths: Kaldi filter bank, normalisation, resize to what the model expects."""

from __future__ import annotations

import functools
import math
from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float, Float32
from pydantic import Field, model_validator
from torch import Tensor
from torchaudio.compliance import kaldi

from data.settings import Config

AUDIOSET_MEAN = -4.2677393
AUDIOSET_STD = 4.5689974

Norm = Literal["per_sample", "audioset"]


class FeatureConfig(Config):
    """From a cycle to the spectrogram that the model sees; defaults as in the published DASS runs."""

    sample_rate: int = Field(default=16000, ge=1000, description="Hz; every recording is resampled to it")
    duration_s: float = Field(
        default=8.0, gt=0, le=60, description="s; shorter cycles are repeated, longer ones cut"
    )
    n_mels: int = Field(default=128, ge=4, description="mel bins")
    frame_length_ms: float = Field(default=25.0, gt=0, description="ms; analysis window")
    frame_shift_ms: float = Field(default=10.0, gt=0, description="ms; from one frame to the next")
    low_hz: float = Field(default=20.0, ge=0, description="Hz; lower edge of the lowest mel bin")
    high_hz: float | None = Field(
        default=None, gt=0, description="Hz; upper edge of the highest mel bin; none: Nyquist"
    )
    norm: Norm = Field(
        default="per_sample", description="statistics: each spectrogram's own, or AudioSet's fixed ones"
    )
    target_frames: int | None = Field(
        default=1024,
        ge=1,
        description="frames after the resize in front of the model; none: as many as computed",
    )
    storage: Literal["float32", "float16"] = Field(
        default="float32", description="number format in the feature store"
    )

    @model_validator(mode="after")
    def _fits_together(self) -> FeatureConfig:
        nyquist, top = self.sample_rate / 2, self.high_hz
        if top is not None and top > nyquist:
            raise ValueError(f"high_hz must not exceed half of sample_rate ({nyquist:g} Hz), got {top:g}")
        if self.low_hz >= (top or nyquist):
            raise ValueError(
                f"low_hz must lie below the highest frequency ({top or nyquist:g} Hz), got {self.low_hz:g}"
            )
        if self.window_samples < 2 or self.shift_samples < 1:
            raise ValueError(
                f"frame_length_ms must span 2 samples and frame_shift_ms 1, at {self.sample_rate} Hz, "
                f"got {self.frame_length_ms:g} and {self.frame_shift_ms:g}"
            )
        if self.samples < self.window_samples:
            raise ValueError(
                f"duration_s must hold a frame of {self.frame_length_ms:g} ms, got {self.duration_s:g}"
            )
        return self

    @property
    def samples(self) -> int:
        """Samples in a clip."""
        return round(self.duration_s * self.sample_rate)

    @property
    def window_samples(self) -> int:
        """Samples in a frame."""
        return int(self.sample_rate * self.frame_length_ms * 0.001)

    @property
    def shift_samples(self) -> int:
        """Samples from one frame to the next."""
        return int(self.sample_rate * self.frame_shift_ms * 0.001)

    @property
    def frames(self) -> int:
        """Frames of a clip: 798 for 8 s in 25 ms windows every 10 ms."""
        return 1 + (self.samples - self.window_samples) // self.shift_samples

    @property
    def input_shape(self) -> tuple[int, int]:
        """(frames, mel bins) of what the model sees, after the resize."""
        return (self.target_frames or self.frames, self.n_mels)


def log_mel(wave: Float32[Tensor, "1 samples"], config: FeatureConfig) -> Float32[Tensor, "frames mels"]:
    """Natural log of mel power per frame, floored at log(float32 epsilon) = -15.94, not normalised.

    Per frame: mean removed, pre-emphasis 0.97, symmetric Hann window, power spectrum of the next power of
    two, triangles linear in mel without area normalisation. No dither; only frames that fit whole. With 128
    bins over a 512-point FFT, bin 3 has no FFT line under it and stays at the floor, as in the published
    features.

    The numbers are to the bit those of `torchaudio.compliance.kaldi.fbank`. That makes window and mel bank anew in each
    call, in 61 operations where these are 23, and threads beside each other wait for the interpreter after each.
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
    """(x - mean) / (2 std), with the spectrogram's own mean and (unbiased) std, or those of AudioSet.

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
    """The batch stretched or shrunk along time to `target_frames` (None: unchanged), on the batch's device.

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
    """For the lines of an FFT over the next power of two; `high_hz` 0: Nyquist."""
    lines = 1 << (window_samples - 1).bit_length()
    # The last three say that no frequency is warped.
    bank, _ = kaldi.get_mel_banks(n_mels, lines, sample_rate, low_hz, high_hz, 100.0, -500.0, 1.0)
    # The line at Nyquist counts for nothing.
    return torch.hann_window(window_samples, periodic=False), F.pad(bank, (0, 1)).T
