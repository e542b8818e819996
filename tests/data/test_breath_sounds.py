import numpy as np
import pytest

from data.breath_sounds import Breath, Device, Voice, sound_of

CLEAN = Device("Litt3200", 4000, (40.0, 1600.0), hiss=0.0, hum=0.0)
VOICE = Voice(
    inhale_share=0.4,
    exhale_level=0.5,
    slope=1.5,
    formants_hz=(300.0, 800.0),
    severity=1.0,
    heart_hz=1.2,
    heart_level=0.5,
)


def pieces(*, crackle: bool = False, wheeze: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Inhalations and exhalations (breaths, samples) of 30 breaths of 2 s."""
    breaths = [Breath(2.0 * n, 2.0 * n + 2.0, crackle, wheeze) for n in range(30)]
    sound = sound_of(breaths, VOICE, CLEAN, np.random.default_rng(0))
    by_breath = sound[: 30 * 8000].reshape(30, 8000)
    return by_breath[:, :3200], by_breath[:, 3200:]


def peakedness(sounds: np.ndarray) -> float:
    return float(np.median(np.abs(sounds).max(axis=1) / sounds.std(axis=1)))


def tonality(sounds: np.ndarray) -> float:
    """Share of the power above 120 Hz that the strongest 30 Hz hold."""
    spectra = np.abs(np.fft.rfft(sounds)) ** 2
    hz = np.fft.rfftfreq(sounds.shape[1], 1 / CLEAN.sample_rate)
    high = spectra[:, hz > 120]
    width = int(30 / hz[1])
    bands = np.array([np.convolve(row, np.ones(width), mode="same").max() / row.sum() for row in high])
    return float(np.median(bands))


def test_a_recording_ends_shortly_after_its_last_breath() -> None:
    sound = sound_of([Breath(0.2, 2.2, False, False)], VOICE, CLEAN, np.random.default_rng(0))
    assert 2.2 <= len(sound) / CLEAN.sample_rate <= 2.7
    assert np.abs(sound).max() <= 1


def test_crackles_stick_out_of_the_inhalation() -> None:
    assert peakedness(pieces(crackle=True)[0]) > 1.3 * peakedness(pieces()[0])


def test_wheezes_gather_the_power_of_the_exhalation_in_a_narrow_band() -> None:
    assert tonality(pieces(wheeze=True)[1]) > 2 * tonality(pieces()[1])


@pytest.mark.parametrize("rate", [4000, 10000, 44100])
def test_every_rate_gives_the_same_length(rate: int) -> None:
    device = Device("any", rate, (50.0, 1500.0), hiss=0.02, hum=0.02)
    sound = sound_of([Breath(0.1, 2.0, True, True)], VOICE, device, np.random.default_rng(0))
    assert len(sound) / rate == pytest.approx(2.3, abs=0.3)
    assert np.isfinite(sound).all()
