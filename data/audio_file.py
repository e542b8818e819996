"""Audio files as they lie on disk: mono WAV or FLAC, checked as far as their headers tell. Free of torch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import DataError

if TYPE_CHECKING:
    from soundfile import SoundFile

AUDIO_SUFFIXES = (".wav", ".flac")


def recording_length(path: Path) -> tuple[int, int]:
    """Read sample rate in Hz and number of samples of a mono WAV or FLAC file from its header.

    Raises DataError when the file is not audio, holds nothing, is not mono, or (WAV) is shorter than its
    header says.
    """
    with opened(path) as file:
        return file.samplerate, file.frames


@contextlib.contextmanager
def opened(path: Path) -> Iterator[SoundFile]:
    """Open a recording. Raises DataError for all that `recording_length` refuses."""
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
