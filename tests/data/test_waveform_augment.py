"""Gain and noise on log-mels, held against the log-mels of waveforms that were really changed."""

import math

import pytest
import torch
from torch import Tensor

from data.features import AUDIOSET_STD, log_mel, normalise
from data.recipe_parts import FeatureConfig, WaveformAugmentConfig
from data.waveform_augment import LEAST_POWER, waveform_augment

FEATURES = FeatureConfig(duration_s=0.5, norm="audioset", target_frames=None)
SILENT = normalise(torch.full((1, 1), math.log(LEAST_POWER)), "audioset").item()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def sound() -> Tensor:
    """A hoarse tone that swells, silent in its middle, with nothing above 2 kHz, as ICBHI's recordings at 4 kHz are."""
    time = torch.arange(FEATURES.samples) / FEATURES.sample_rate
    lines = torch.fft.rfft(torch.randn(FEATURES.samples, generator=seeded(1)))
    lines[len(lines) // 4 :] = 0
    hoarse = torch.fft.irfft(lines, FEATURES.samples)
    wave = (0.02 * hoarse + 0.1 * torch.sin(2 * math.pi * 400 * time)) * (0.2 + time)
    wave[3000:4500] = 0
    return wave[None]


def heard(wave: Tensor) -> Tensor:
    return normalise(log_mel(wave, FEATURES), "audioset")


def copies(count: int) -> Tensor:
    return heard(sound())[None].expand(count, -1, -1)


def test_a_gain_is_that_of_the_waveform_but_in_cells_at_the_floor() -> None:
    config = WaveformAugmentConfig(gain=0.5, gain_probability=1)
    batch = copies(24)
    changed = waveform_augment(batch, config, FEATURES, seeded())
    gains = []
    for before, after in zip(batch, changed, strict=True):
        # A cell far above the floor tells the gain.
        cell = before.argmax()
        gains.append(math.exp((after.flatten()[cell] - before.flatten()[cell]).item() * AUDIOSET_STD))
        really = heard(gains[-1] * sound())
        heard_cells = before > SILENT + 2e-3
        torch.testing.assert_close(after[heard_cells], really[heard_cells], atol=2e-4, rtol=0)
        assert torch.allclose(after[before < SILENT + 1e-4], torch.tensor(SILENT), atol=1e-5)
    assert len(set(gains)) == 24
    assert 0.5 <= min(gains) < 0.8
    assert 1.2 < max(gains) <= 1.5


@pytest.mark.parametrize("noise", [1e-4, 1e-2])
def test_noise_is_that_of_the_waveform_in_mean_and_in_spread(noise: float) -> None:
    config = WaveformAugmentConfig(noise=noise, noise_probability=1)
    ours = waveform_augment(copies(150), config, FEATURES, seeded())
    draws = torch.randn(150, FEATURES.samples, generator=seeded(2))
    really = torch.stack([heard(sound() + noise * draw) for draw in draws])
    moved = really.mean(dim=0) - heard(sound())
    assert (moved > 0.1).float().mean() > 0.3
    # Per band over time, so that the luck of 150 draws is small beside what noise moves.
    difference = (ours.mean(dim=0) - really.mean(dim=0)).mean(dim=0)
    assert difference.abs().max() < 0.015
    spread = really.std(dim=0)
    ratio = (ours.std(dim=0) / spread)[spread > 0.005]
    assert 0.95 < ratio.median() < 1.05
    assert ((ratio > 0.6) & (ratio < 1.7)).float().mean() > 0.95


def test_cycles_are_changed_by_chance_and_the_others_are_left_to_the_bit() -> None:
    config = WaveformAugmentConfig(gain=0.1, gain_probability=0.3, noise=1e-3, noise_probability=0.4)
    batch = copies(400)
    changed = waveform_augment(batch, config, FEATURES, seeded())
    untouched = (changed == batch).flatten(1).all(dim=1)
    assert untouched.float().mean().item() == pytest.approx(0.7 * 0.6, abs=0.07)
    quiet = waveform_augment(batch, config.model_copy(update={"noise": 0.0}), FEATURES, seeded())
    assert (quiet == batch).flatten(1).all(dim=1).float().mean().item() == pytest.approx(0.7, abs=0.07)
    assert torch.equal(waveform_augment(batch, config, FEATURES, seeded()), changed)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_changes_the_same_cycles_alike() -> None:
    config = WaveformAugmentConfig(gain=0.1, noise=1e-3)
    here = waveform_augment(copies(8), config, FEATURES, seeded())
    there = waveform_augment(copies(8).cuda(), config, FEATURES, seeded())
    assert there.is_cuda
    assert torch.allclose(there.cpu(), here, atol=1e-3)
