"""A cycle as a sound: what is decoded again is what was cut out."""

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.cycle_sound import PEAK, SAMPLE_RATE, cycle_sound
from data.errors import DataError


def test_a_cycle_is_heard_at_its_own_pitch_length_and_full_volume(tmp_path: Path) -> None:
    rate = 4000
    seconds = np.arange(4 * rate) / rate
    tone = np.where(seconds < 2, 300, 700)
    soundfile.write(tmp_path / "a.wav", 0.01 * np.sin(2 * np.pi * tone * seconds), rate)
    content = cycle_sound(tmp_path / "a.wav", 2.5, 3.5)
    assert len(content) < 8000
    samples, decoded_rate = soundfile.read(BytesIO(content))
    assert len(samples) / decoded_rate == pytest.approx(1.0, abs=0.01)
    assert np.abs(samples).max() == pytest.approx(PEAK, abs=0.1)
    power = np.abs(np.fft.rfft(samples))
    assert np.fft.rfftfreq(len(samples), 1 / decoded_rate)[power.argmax()] == pytest.approx(700, abs=3)
    assert decoded_rate in (SAMPLE_RATE, 48_000)


def test_silence_is_silence_and_what_cannot_be_resampled_is_named(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "still.wav", np.zeros(8000), 4000)
    samples, _ = soundfile.read(BytesIO(cycle_sound(tmp_path / "still.wav", 0.0, 1.0)))
    assert np.abs(samples).max() < 1e-3
    soundfile.write(tmp_path / "odd.wav", np.zeros(400_000), 383_981)
    with pytest.raises(
        DataError, match=r"odd\.wav: a sample rate of 383981 Hz cannot be brought to 16000 Hz"
    ):
        cycle_sound(tmp_path / "odd.wav", 0.0, 1.0)
