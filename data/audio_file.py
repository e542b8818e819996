"""Audio files as they lie on disk: mono WAV or FLAC, checked as far as their headers tell. Free of torch."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

from data.errors import DataError

if TYPE_CHECKING:
    from soundfile import SoundFile

AUDIO_SUFFIXES = (".wav", ".flac")
FORMATS = ("WAV", "WAVEX", "RF64", "FLAC")
"""Formats by libsndfile's names; it opens many others, and reads most of them truncated without a word."""
RATES = range(100, 384_001)
"""Sample rates in Hz that anything recorded may have."""
MOST_SAMPLES = 100_000_000
"""Samples of a recording: 38 minutes at 44.1 kHz, 400 MB in float32."""
BLOCK = 1 << 20
"""Samples that are decoded at a time."""
HEADER_WITHOUT_LENGTH = 2**62
"""libsndfile's length of a FLAC file whose header has none is above this."""
_FLAC_BLOCK = 65_535
"""Samples that a byte of FLAC cannot exceed: a block has at most so many, and several bytes."""
_EXPECTED = "expected a mono WAV or FLAC file"


def recording_length(path: Path) -> tuple[int, int]:
    """Read sample rate in Hz and number of samples of a mono WAV or FLAC file from its header.

    A FLAC file whose header has no length, as of a stream, is decoded to count its samples. Warns of a WAV file whose
    writer left the length open. Raises DataError when the file is not audio, holds nothing or more than `MOST_SAMPLES`,
    is not mono, has a sample rate that no recorder has, or (WAV) is shorter than its header says.
    """
    with opened(path) as file:
        if file.format != "FLAC" and _wav_length(path) == "open":
            warnings.warn(
                f"{path}: its writer left the length open, so that nobody can tell whether the file is whole; "
                f"read {file.frames} samples",
                stacklevel=2,
            )
        if file.frames < HEADER_WITHOUT_LENGTH:
            return file.samplerate, file.frames
        samples = sum(len(block) for block in blocks(path, file, "int16"))
        if not samples:
            raise DataError(f"{path}: no samples; {_EXPECTED} with at least one annotated cycle")
        return file.samplerate, samples


@contextlib.contextmanager
def opened(path: Path) -> Iterator[SoundFile]:
    """Open a recording. Raises DataError for all that `recording_length` refuses."""
    import soundfile

    try:
        size = path.stat().st_size
        if size == 0:
            raise DataError(f"{path}: the file is empty (0 bytes); {_EXPECTED}")
        opened = soundfile.SoundFile(str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; {_EXPECTED}") from error
    except soundfile.LibsndfileError as error:
        raise DataError(
            f"{path}: not readable as audio ({error.error_string.rstrip('. ')}); {_EXPECTED}"
        ) from error
    with opened as file:
        _check(path, file, size)
        if file.frames >= HEADER_WITHOUT_LENGTH:
            # soundfile seeks to where each read has ended, which libsndfile refuses in such a file.
            setattr(file, "seekable", lambda: False)  # noqa: B010
        yield file


def blocks(path: Path, file: SoundFile, dtype: Literal["float32", "int16", "int32"]) -> Iterator[Any]:
    """Decode an opened recording from where it stands, `BLOCK` samples at a time.

    So no more memory is taken than there are samples, whatever the header says. Raises DataError for damaged audio, and
    for more than `MOST_SAMPLES`.
    """
    import soundfile

    total = 0
    while True:
        try:
            block = file.read(BLOCK, dtype=dtype)
        except soundfile.LibsndfileError as error:
            reason = error.error_string.rstrip(". ")
            raise DataError(f"{path}: damaged or truncated audio ({reason}); copy the file again") from error
        if not len(block):
            return
        total += len(block)
        if total > MOST_SAMPLES:
            raise DataError(f"{path}: more than {MOST_SAMPLES:,} samples; expected a shorter recording")
        yield block


def flac_md5(path: Path) -> tuple[bytes, int] | None:
    """Read the MD5 that a FLAC file has of its samples, and how many bytes a sample has there.

    None where the file has none, as of a stream, and where samples have no whole bytes. libsndfile does not compare it.
    """
    with path.open("rb") as file:
        header = file.read(42)
    # The first block says what the stream is; what lies before the stream, such as a tag, is not looked through.
    if len(header) < 42 or header[:4] != b"fLaC":
        return None
    bits, told = ((header[20] & 1) << 4 | header[21] >> 4) + 1, header[26:]
    return (told, bits // 8) if any(told) and bits in (8, 16, 24) else None


def _check(path: Path, file: SoundFile, size: int) -> None:
    if file.format not in FORMATS:
        raise DataError(f"{path}: a file of the format {file.format}, whatever its name says; {_EXPECTED}")
    if file.channels != 1:
        raise DataError(f"{path}: {file.channels} channels; {_EXPECTED}")
    if file.samplerate not in RATES:
        raise DataError(
            f"{path}: a sample rate of {file.samplerate} Hz, which no recorder has; expected {RATES.start} to "
            f"{RATES.stop - 1} Hz"
        )
    length = None if file.format == "FLAC" else _wav_length(path)
    missing = length - size if isinstance(length, int) else 0
    if missing > 0:
        raise DataError(
            f"{path}: truncated: its header promises {missing} bytes more than there are; copy the file again"
        )
    if file.frames <= 0:
        raise DataError(f"{path}: no samples; {_EXPECTED} with at least one annotated cycle")
    if file.frames >= HEADER_WITHOUT_LENGTH:
        return
    if file.format == "FLAC" and file.frames > size * _FLAC_BLOCK:
        raise DataError(
            f"{path}: truncated: its header promises {file.frames} samples, which {size} bytes cannot hold; copy the "
            "file again"
        )
    if file.frames > MOST_SAMPLES:
        raise DataError(
            f"{path}: {file.frames:,} samples; expected at most {MOST_SAMPLES:,}, so cut the recording"
        )


def _wav_length(path: Path) -> int | Literal["open"] | None:
    """Bytes that a WAV or RF64 file has by its header, up to the end of its samples.

    "open" where the writer, which could not go back, left the length open; None where there is no such header.
    libsndfile reads a file that was cut short as if it had been meant so.
    """
    with path.open("rb") as file:
        riff = file.read(12)
        if riff[:4] not in (b"RIFF", b"RIFX", b"RF64") or riff[8:] != b"WAVE":
            return None
        order: Literal["big", "little"] = "big" if riff[:4] == b"RIFX" else "little"
        long_length = None
        while len(header := file.read(8)) == 8:
            length = int.from_bytes(header[4:], order)
            if header[:4] == b"data":
                return _samples_end(file, long_length if length == 0xFFFFFFFF and long_length else length)
            if header[:4] == b"ds64" and riff[:4] == b"RF64":
                content = file.read(16)
                long_length = int.from_bytes(content[8:], "little")
                length -= len(content)
            file.seek(length + length % 2, 1)
    return None


def _samples_end(file: BinaryIO, length: int) -> int | Literal["open"]:
    # 0 is what a recorder that was switched off leaves; sox writes 0x7ffff... to a pipe.
    left_open = length in (0, 0xFFFFFFFF, 2**64 - 1) or 0x7FFFF000 <= length <= 0x80000000
    return "open" if left_open else file.tell() + length
