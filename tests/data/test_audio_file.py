from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.audio_file import recording_length
from data.errors import DataError


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.9, 0.9, 4000), 4000, subtype="PCM_16")
    return path


@pytest.mark.parametrize("kept", [30, 44, 100, -1])
def test_a_truncated_wav_is_refused(wav: Path, kept: int) -> None:
    wav.write_bytes(wav.read_bytes()[:kept])
    with pytest.raises(DataError, match=r"a\.wav: (truncated|not readable as audio)"):
        recording_length(wav)


def test_a_wav_whose_writer_left_the_length_open_is_read(wav: Path) -> None:
    content = bytearray(wav.read_bytes())
    content[40:44] = b"\xff\xff\xff\xff"
    wav.write_bytes(content)
    assert recording_length(wav) == (4000, 4000)


def test_an_empty_file_is_refused(wav: Path) -> None:
    wav.write_bytes(b"")
    with pytest.raises(DataError, match=r"empty \(0 bytes\); expected a mono WAV or FLAC file"):
        recording_length(wav)


def test_audio_without_samples_is_refused(wav: Path) -> None:
    soundfile.write(wav, np.zeros(0), 4000)
    with pytest.raises(DataError, match="no samples; expected"):
        recording_length(wav)


def test_text_in_a_wav_is_not_audio(wav: Path) -> None:
    wav.write_text("0.1\t0.5\t0\t0\n" * 50)
    with pytest.raises(DataError, match=r"not readable as audio \(.+\); expected a mono WAV or FLAC file"):
        recording_length(wav)


def test_stereo_is_refused(wav: Path) -> None:
    soundfile.write(wav, np.zeros((100, 2)), 4000)
    with pytest.raises(DataError, match="2 channels; expected a mono"):
        recording_length(wav)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        recording_length(tmp_path / "none.wav")
