"""A cycle as people hear it: a short sound that a browser plays."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np

from data.audio import cut_cycle, fade, read_recording, resample
from data.errors import DataError

SAMPLE_RATE = 16_000
"""Hz; one of the five that Opus has."""
PEAK = 0.9
"""Largest sample of a sound."""


def cycle_sound(path: Path, start_s: float, end_s: float) -> bytes:
    """Cut a cycle out of a recording as Opus in an Ogg file: 16 kHz, mono, about 4 kB a second.

    The sound is as loud as its loudest sample allows, and fades in and out over 62.5 ms, so that nothing clicks. Raises
    DataError for damaged audio, and for a sample rate that cannot be brought to 16 kHz.
    """
    import soundfile

    wave, native_rate = read_recording(path)
    try:
        cut = resample(cut_cycle(wave, native_rate, start_s, end_s), native_rate, SAMPLE_RATE)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    samples = fade(cut, SAMPLE_RATE)[0].numpy()
    loudest = float(np.abs(samples).max(initial=0.0))
    file = BytesIO()
    soundfile.write(
        file, samples * (PEAK / loudest) if loudest else samples, SAMPLE_RATE, format="OGG", subtype="OPUS"
    )
    return file.getvalue()
