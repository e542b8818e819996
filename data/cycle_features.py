"""From a recording on disk to the features of its cycles, as a network learns from them and answers to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from data.audio import cut_cycle, fade, pad_cycle, read_recording, resample
from data.errors import DataError
from data.features import log_mel, normalise
from data.recipe_parts import FeatureConfig


def cycle_features(
    path: Path, times: Sequence[tuple[float, float]], config: FeatureConfig
) -> Iterator[Float[Tensor, "frames mels"]]:
    """Yield the normalised log-mels of cycles of a recording, decoded, resampled and (`config.fade`) faded once.

    `times`: start and end of each cycle, in seconds. Raises DataError for damaged audio, and for a sample rate that
    cannot be brought to that of `config`.
    """
    wave, native_rate = read_recording(path)
    rate = config.sample_rate
    try:
        wave = resample(wave, native_rate, rate)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error
    if config.fade:
        wave = fade(wave, rate)
    for start_s, end_s in times:
        cut = cut_cycle(wave, rate, start_s, end_s)
        clip = pad_cycle(cut, rate, config.duration_s, config.padding, fades=config.fade)
        yield normalise(log_mel(clip, config), config.norm)
