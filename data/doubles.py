"""Recordings that lie in a data set twice under two patients, whom folds would then not hold apart."""

from __future__ import annotations

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from data.audio_file import blocks, opened
from data.dataset import Recording
from data.errors import DataError

EXCERPT = 4096
"""Samples from the middle of a recording by which it is told from others of the same length."""
NAMED = 5
"""Recordings that a warning names."""


def warn_of_doubles(recordings: Sequence[Recording]) -> None:
    """Warn of each two patients that have a recording of equal samples, whatever the file format.

    Only recordings of equal rate and length are compared, by an excerpt first. Audio that does not decode is left to
    those who read it.
    """
    alike = _groups([*recordings], lambda recording: (recording.sample_rate, recording.frames))
    for same_length in alike:
        for same_excerpt in _groups(same_length, _excerpt):
            for equal in _groups(same_excerpt, _samples_digest):
                named = [
                    f"{recording.path.name} (patient {recording.patient})" for recording in equal[:NAMED]
                ]
                names = ", ".join(named) + (f" and {len(equal) - NAMED} more" if len(equal) > NAMED else "")
                warnings.warn(
                    f"{equal[0].path.parent}: equal audio under several patients: {names}; folds hold patients apart, "
                    "and these breaths may be trained on and validated on: keep one of them",
                    stacklevel=3,
                )


def _groups(
    recordings: Iterable[Recording], key: Callable[[Recording], Hashable | None]
) -> list[list[Recording]]:
    """Recordings of equal keys that belong to several patients."""
    recordings = [*recordings]
    with ThreadPoolExecutor() as pool:
        keys = list(pool.map(key, recordings))
    held: dict[Hashable, list[Recording]] = defaultdict(list)
    for recording, own in zip(recordings, keys, strict=True):
        if own is not None:
            held[own].append(recording)
    return [group for group in held.values() if len({recording.patient for recording in group}) > 1]


def _excerpt(recording: Recording) -> bytes | None:
    try:
        with opened(recording.path) as file:
            middle = max(0, (recording.frames - EXCERPT) // 2)
            if file.seekable():
                file.seek(middle)
                return file.read(EXCERPT, dtype="int32").tobytes()
            samples = np.concatenate([*blocks(recording.path, file, "int32")])
            return samples[middle : middle + EXCERPT].tobytes()
    except (DataError, RuntimeError):
        return None


def _samples_digest(recording: Recording) -> str | None:
    digest = hashlib.sha256()
    try:
        with opened(recording.path) as file:
            for block in blocks(recording.path, file, "int32"):
                digest.update(block.tobytes())
    except DataError:
        return None
    return digest.hexdigest()
