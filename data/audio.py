"""From a recording on disk to one breath of fixed length: decode, resample, fade, cut, repeat.

The order matters and is the one of the published Patch-Mix and Lung-SRAD runs: the whole recording is
resampled and faded, then each cycle is cut out of it and repeated until it fills the clip.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import torch
import torchaudio.transforms
from jaxtyping import Float
from torch import Tensor

from data.errors import UserError

if TYPE_CHECKING:
    from soundfile import SoundFile

AUDIO_SUFFIXES = (".wav", ".flac")
FADE_S = 0.0625
"""Length of every fade; 1000 samples at 16 kHz."""


class DataError(UserError):
    """Recordings that cannot be used; the message says which file, what was read, what would be right."""


def recording_length(path: Path) -> tuple[int, int]:
    """Sample rate in Hz and number of samples of a mono WAV or FLAC file, from its header.

    Raises DataError when the file is not audio, holds nothing, is not mono, or (WAV) is shorter than its
    header says.
    """
    with _opened(path) as file:
        return file.samplerate, file.frames


def read_recording(path: Path) -> tuple[Float[Tensor, "1 samples"], int]:
    """All samples of a mono WAV or FLAC file in [-1, 1], float32, and its sample rate in Hz.

    Integers are divided by their full scale (16 bit: 32768); nothing is filtered and no mean removed. Raises
    DataError for all that `recording_length` refuses, and when fewer samples decode than the header says, or
    a sample is not a number.
    """
    import soundfile

    with _opened(path) as file:
        sample_rate, frames = file.samplerate, file.frames
        try:
            samples = file.read(dtype="float32", always_2d=True)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(". ")
            raise DataError(f"{path}: damaged or truncated audio ({reason}); copy the file again") from error
    if len(samples) != frames:
        raise DataError(
            f"{path}: truncated: {len(samples)} samples, where the header says {frames}; copy the file again"
        )
    wave = torch.from_numpy(samples).T.contiguous()
    if not torch.isfinite(wave).all():
        raise DataError(f"{path}: holds samples that are not finite numbers; expected values in [-1, 1]")
    return wave, sample_rate


def resample(
    wave: Float[Tensor, "1 samples"], source_hz: int, target_hz: int
) -> Float[Tensor, "1 resampled"]:
    """The recording at another rate: windowed sinc, Hann window over 6 zero crossings, roll-off 0.99."""
    if source_hz == target_hz:
        return wave
    return _resampler(source_hz, target_hz, wave.dtype)(wave)


def fade(
    wave: Float[Tensor, "1 samples"], sample_rate: int, *, start: bool = True
) -> Float[Tensor, "1 samples"]:
    """The wave, linearly faded out over its last `FADE_S` seconds and, with `start`, in over its first.

    The ramps include 0 and 1, so the outermost samples become 0. A wave shorter than the ramp gets the part
    of the ramp nearest its end.
    """
    return _fade_in_place(wave.clone(), sample_rate, start=start)


def cut_cycle(
    wave: Float[Tensor, "1 samples"], sample_rate: int, start_s: float, end_s: float
) -> Float[Tensor, "1 cycle"]:
    """Samples from `start_s` to `end_s`, both truncated to whole samples and clipped to the recording."""
    return wave[:, int(start_s * sample_rate) : int(end_s * sample_rate)]


def pad_cycle(
    cycle: Float[Tensor, "1 samples"], sample_rate: int, duration_s: float
) -> Float[Tensor, "1 clip_samples"]:
    """A clip of `duration_s`: a longer cycle is cut; any other is repeated, cut, and faded out.

    The joints between repeats are not smoothed. Raises ValueError for a cycle without samples.
    """
    target = round(duration_s * sample_rate)
    length = cycle.shape[-1]
    if length == 0:
        raise ValueError("a cycle without samples cannot be repeated")
    if length > target:
        return cycle[:, :target]
    whole, rest = divmod(target, length)
    repeated = torch.cat([*[cycle] * whole, cycle[:, :rest]], dim=1)
    return _fade_in_place(repeated, sample_rate, start=False)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[SoundFile]:
    """The file after all checks that need no decoding."""
    import soundfile

    expected = "expected a mono WAV or FLAC file"
    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: the file is empty (0 bytes); {expected}")
        opened = soundfile.SoundFile(str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; {expected}") from error
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path}: not readable as audio ({error.error_string.rstrip('. ')}); {expected}"
        ) from error
    with opened as file:
        if file.channels != 1:
            raise DataError(f"{path}: {file.channels} channels; {expected}")
        missing = _missing_wav_bytes(path, size)
        if missing:
            raise DataError(
                f"{path}: truncated: its header promises {missing} bytes more than there are; copy the file again"
            )
        if file.frames <= 0:
            raise DataError(f"{path}: no samples; {expected} with at least one annotated cycle")
        yield file


@functools.cache
def _resampler(source_hz: int, target_hz: int, dtype: torch.dtype) -> torchaudio.transforms.Resample:
    # Its kernel is computed here, once for all recordings of a rate; without a dtype it would be in float64.
    return torchaudio.transforms.Resample(source_hz, target_hz, dtype=dtype)


def _fade_in_place(wave: Tensor, sample_rate: int, *, start: bool) -> Tensor:
    length = wave.shape[-1]
    ramp = torch.linspace(0.0, 1.0, round(FADE_S * sample_rate))[:length]
    wave[:, length - len(ramp) :] *= ramp.flip(0)
    if start:
        wave[:, : len(ramp)] *= ramp
    return wave


def _missing_wav_bytes(path: Path, size: int) -> int:
    # libsndfile reads a WAV that was cut short as if it had been meant so.
    with path.open("rb") as file:
        riff = file.read(12)
        if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
            return 0
        while len(header := file.read(8)) == 8:
            length = int.from_bytes(header[4:], "little")
            if header[:4] == b"data":
                # A length of all ones is left by writers that could not go back to fill it in.
                return 0 if length == 0xFFFFFFFF else max(0, file.tell() + length - size)
            file.seek(length + length % 2, 1)
    return 0
