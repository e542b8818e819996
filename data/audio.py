"""From a recording on disk to cycles of fixed length: decode, resample, fade, cut, repeat.

The order matters and is the one of the published Patch-Mix and Lung-SRAD runs: the whole recording is
resampled and faded, then each cycle is cut out of it and repeated until it fills the clip. AST + SAM fades nothing.
"""

from __future__ import annotations

import functools
import hashlib
import math
from pathlib import Path

import numpy as np
import torch
import torchaudio.transforms
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from data.audio_file import HEADER_WITHOUT_LENGTH, blocks, flac_md5, opened
from data.errors import DataError
from data.recipe_parts import ClipPadding

FADE_S = 0.0625
"""Length of every fade, in seconds; 1000 samples at 16 kHz."""
LOUDEST = 8.0
"""Floating samples above 1 are clipped breaths; those above this are of another scale."""
MOST_TAPS = 1 << 22
"""Numbers in the filter that brings one rate to another, about; 44100 to 16000 Hz has 70,560."""


def read_recording(path: Path) -> tuple[Float[Tensor, "1 samples"], int]:
    """Read all samples of a mono WAV or FLAC file, in [-1, 1] as float32, and its sample rate in Hz.

    Integers are divided by their full scale (16 bit: 32768); nothing is filtered and no mean removed. Raises
    DataError for all that `recording_length` refuses, and when other than the samples that the header promises decode,
    a sample is not a number, or samples are of another scale than [-1, 1].
    """
    with opened(path) as file:
        told = flac_md5(path) if file.format == "FLAC" else None
        kind = "float32" if told is None else "int32"
        samples = np.concatenate([*blocks(path, file, kind)] or [np.zeros(0, kind)])
        if len(samples) != file.frames and (file.frames < HEADER_WITHOUT_LENGTH or not len(samples)):
            raise DataError(
                f"{path}: truncated: {len(samples)} samples, where the header says {file.frames}; copy the file again"
            )
        if told is not None:
            samples = _compared(path, samples, *told)
        if not np.isfinite(samples).all():
            raise DataError(f"{path}: holds samples that are not finite numbers; expected values in [-1, 1]")
        if file.subtype in ("FLOAT", "DOUBLE"):
            _check_scale(path, samples)
        return torch.from_numpy(samples[None]), file.samplerate


def resample(
    wave: Float[Tensor, "1 samples"], source_hz: int, target_hz: int
) -> Float[Tensor, "1 resampled"]:
    """Bring a recording to another rate: windowed sinc, Hann window over 6 zero crossings, roll-off 0.99.

    Raises ValueError when the rates have so little in common that the filter would hold more than `MOST_TAPS` numbers.
    """
    if source_hz == target_hz:
        return wave
    common = math.gcd(source_hz, target_hz)
    if source_hz * target_hz // common**2 > MOST_TAPS:
        raise ValueError(
            f"a sample rate of {source_hz} Hz cannot be brought to {target_hz} Hz without a huge filter; expected a "
            "rate that recorders have, such as 44100 Hz"
        )
    return _resampler(source_hz, target_hz, wave.dtype)(wave)


def fade(
    wave: Float[Tensor, "1 samples"], sample_rate: int, *, start: bool = True
) -> Float[Tensor, "1 samples"]:
    """Fade a copy of the wave linearly out over its last `FADE_S` seconds and, with `start`, in over its first.

    The ramps include 0 and 1, so the outermost samples become 0. A wave shorter than the ramp gets the part
    of the ramp nearest its end.
    """
    return _fade_in_place(wave.clone(), sample_rate, start=start)


def cut_cycle(
    wave: Float[Tensor, "1 samples"], sample_rate: int, start_s: float, end_s: float
) -> Float[Tensor, "1 cycle"]:
    """Cut out the samples from `start_s` to `end_s`, both truncated to whole samples and clipped to the recording."""
    return wave[:, int(start_s * sample_rate) : int(end_s * sample_rate)]


def pad_cycle(
    cycle: Float[Tensor, "1 samples"],
    sample_rate: int,
    duration_s: float,
    padding: ClipPadding = "repeat",
    *,
    fades: bool = True,
) -> Float[Tensor, "1 clip_samples"]:
    """Bring a cycle to `duration_s` seconds: a longer one is cut; another is repeated, cut, and (`fades`) faded out.

    The joints between repeats are not smoothed. With padding `zeros` a shorter cycle lies once, unfaded, in the middle
    of zeros, of which the odd one follows it. Raises ValueError for a cycle without samples.
    """
    target = round(duration_s * sample_rate)
    length = cycle.shape[-1]
    if length == 0:
        raise ValueError("a cycle without samples cannot be padded")
    if length > target:
        return cycle[:, :target]
    if padding == "zeros":
        before = (target - length) // 2
        return functional.pad(cycle, (before, target - length - before))
    whole, rest = divmod(target, length)
    repeated = torch.cat([*[cycle] * whole, cycle[:, :rest]], dim=1)
    return _fade_in_place(repeated, sample_rate, start=False) if fades else repeated


@functools.lru_cache(maxsize=16)
def _resampler(source_hz: int, target_hz: int, dtype: torch.dtype) -> torchaudio.transforms.Resample:
    # Its kernel is computed here, once for all recordings of a rate; without a dtype it would be in float64.
    return torchaudio.transforms.Resample(source_hz, target_hz, dtype=dtype)


def _compared(
    path: Path, samples: Int[np.ndarray, " samples"], told: bytes, width: int
) -> Float[np.ndarray, " samples"]:
    """Samples, as the highest `width` bytes of each, in [-1, 1]. Raises DataError when `told` is not their MD5."""
    whole = (samples >> (32 - 8 * width)).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :width]
    if hashlib.md5(whole.tobytes(), usedforsecurity=False).digest() != told:
        raise DataError(
            f"{path}: damaged audio: its samples are not those of the check sum (MD5) in it; copy the file again"
        )
    # Exact, as no sample has more bits than a float32.
    return samples.astype(np.float32) / np.float32(1 << 31)


def _check_scale(path: Path, samples: Float[np.ndarray, " samples"]) -> None:
    """Raise DataError for floating samples that look like integers written as they are."""
    peak = np.abs(samples).max()
    if peak > LOUDEST or (peak > 1 and (samples == np.rint(samples)).all()):
        raise DataError(
            f"{path}: floating samples up to {peak:g}, which are those of integers; expected values in [-1, 1], so "
            "divide by the full scale (16 bit: 32768)"
        )


def _fade_in_place(wave: Tensor, sample_rate: int, *, start: bool) -> Tensor:
    length = wave.shape[-1]
    ramp = torch.linspace(0.0, 1.0, round(FADE_S * sample_rate))[:length]
    wave[:, length - len(ramp) :] *= ramp.flip(0)
    if start:
        wave[:, : len(ramp)] *= ramp
    return wave
