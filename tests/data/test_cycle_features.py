"""Features of cycles, on the path from a file to what a network hears."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from data.audio import cut_cycle, fade, pad_cycle, read_recording, resample
from data.cycle_features import cycle_features
from data.errors import DataError
from data.features import log_mel, normalise
from data.recipe_parts import FeatureConfig

CONFIG = FeatureConfig(sample_rate=4000, n_mels=16, duration_s=2.0, high_hz=2000)


@pytest.fixture
def noise(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).uniform(-0.5, 0.5, 50_000), 10_000)
    return tmp_path / "a.wav"


def test_each_cycle_is_cut_from_the_recording_that_was_resampled_and_faded_whole(noise: Path) -> None:
    first, second = cycle_features(noise, [(0.0, 1.5), (1.5, 5.0)], CONFIG)
    wave = fade(resample(read_recording(noise)[0], 10_000, 4000), 4000)
    by_hand = pad_cycle(cut_cycle(wave, 4000, 1.5, 5.0), 4000, 2.0)
    torch.testing.assert_close(second, normalise(log_mel(by_hand, CONFIG), CONFIG.norm), rtol=0, atol=0)
    assert first.shape == second.shape == (CONFIG.frames, 16)
    # The end of the first cycle is in the middle of the recording, where nothing fades.
    assert not torch.equal(first, second)


def test_without_fades_the_sound_stays_as_it_is_to_both_ends(noise: Path) -> None:
    config = CONFIG.model_copy(update={"fade": False})
    (first,) = cycle_features(noise, [(0.0, 1.5)], config)
    wave = resample(read_recording(noise)[0], 10_000, 4000)[:, :6000]
    by_hand = torch.cat([wave, wave[:, :2000]], dim=1)
    torch.testing.assert_close(first, normalise(log_mel(by_hand, config), config.norm), rtol=0, atol=0)
    (faded,) = cycle_features(noise, [(0.0, 1.5)], CONFIG)
    assert not torch.equal(first, faded)


def test_what_cannot_be_brought_to_the_rate_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "odd.wav", np.zeros(40_000), 9973)
    config = FeatureConfig(sample_rate=47_981)
    with pytest.raises(DataError, match=r"odd\.wav: a sample rate of 9973 Hz cannot be brought to 47981 Hz"):
        next(cycle_features(tmp_path / "odd.wav", [(0.0, 1.0)], config))
