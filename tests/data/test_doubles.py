import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import soundfile

from data.icbhi import read_icbhi

NAMES = ("301_1b1_Al_sc_Meditron", "302_1b1_Pr_sc_Litt3200")


def test_equal_audio_under_two_patients_is_warned_of(recordings: Path) -> None:
    first, second = (recordings / f"{name}.wav" for name in NAMES)
    shutil.copy(first, second)
    with pytest.warns(UserWarning, match=rf"equal audio .*{NAMES[0]}\.wav \(patient 301\), {NAMES[1]}\.wav"):
        read_icbhi(recordings)


def test_equal_audio_is_found_in_another_format(recordings: Path) -> None:
    first, second = (recordings / f"{name}.wav" for name in NAMES)
    samples, rate = soundfile.read(first, dtype="int16")
    second.unlink()
    soundfile.write(second.with_suffix(".flac"), samples, rate, subtype="PCM_16")
    with pytest.warns(
        UserWarning, match=rf"{NAMES[0]}\.wav \(patient 301\), {NAMES[1]}\.flac \(patient 302\)"
    ):
        read_icbhi(recordings)


def test_equal_audio_of_one_patient_is_no_leak(
    recordings: Path, write_recording: Callable[..., Path]
) -> None:
    again = write_recording(recordings, "301_1b2_Al_sc_Meditron")
    shutil.copy(recordings / f"{NAMES[0]}.wav", again)
    with (recordings / "official_split.txt").open("a") as split:
        split.write(f"{again.stem}\ttrain\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_icbhi(recordings)


def test_audio_that_differs_in_a_sample_is_not_equal(recordings: Path) -> None:
    first, second = (recordings / f"{name}.wav" for name in NAMES)
    samples, rate = soundfile.read(first, dtype="int16")
    samples[0] ^= 1
    soundfile.write(second, samples, rate, subtype="PCM_16")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_icbhi(recordings)
