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
    with pytest.warns(UserWarning, match=r"a\.wav: its writer left the length open"):
        assert recording_length(wav) == (4000, 4000)


@pytest.mark.parametrize(
    ("container", "endian"), [("WAV", "LITTLE"), ("WAV", "BIG"), ("WAVEX", "FILE"), ("RF64", "FILE")]
)
def test_a_truncated_file_of_any_kind_of_wav_is_refused(tmp_path: Path, container: str, endian: str) -> None:
    path = tmp_path / "b.wav"
    with soundfile.SoundFile(
        path, "w", samplerate=4000, channels=1, format=container, subtype="PCM_16", endian=endian
    ) as file:
        file.write(np.linspace(-0.9, 0.9, 4000))
    assert recording_length(path) == (4000, 4000)
    path.write_bytes(path.read_bytes()[:4000])
    with pytest.raises(DataError, match=r"b\.wav: truncated: its header promises \d+ bytes more"):
        recording_length(path)


@pytest.mark.parametrize("container", ["AIFF", "AU", "W64", "CAF", "VOC", "OGG"])
def test_another_format_under_the_name_of_a_wav_is_refused_by_name(tmp_path: Path, container: str) -> None:
    path = tmp_path / "b.wav"
    soundfile.write(path, np.linspace(-0.9, 0.9, 4000), 4000, format=container)
    with pytest.raises(
        DataError, match=rf"b\.wav: a file of the format {container}, .*expected a mono WAV or FLAC"
    ):
        recording_length(path)


def flac_of(folder: Path, samples: int, *, told: int) -> Path:
    """A FLAC file of so many samples whose header tells another number (36 bits)."""
    path = folder / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, samples), 4000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[21] = content[21] & 0xF0 | told >> 32
    content[22:26] = (told & 0xFFFFFFFF).to_bytes(4, "big")
    path.write_bytes(content)
    return path


def test_a_flac_without_a_length_is_counted(tmp_path: Path) -> None:
    assert recording_length(flac_of(tmp_path, 5000, told=0)) == (4000, 5000)


def test_a_flac_that_cannot_hold_its_length_is_refused(tmp_path: Path) -> None:
    path = flac_of(tmp_path, 5000, told=2**36 - 1)
    with pytest.raises(DataError, match=r"a\.flac: truncated: its header promises 68719476735 samples"):
        recording_length(path)


def test_a_recording_of_hours_is_refused(tmp_path: Path) -> None:
    path = flac_of(tmp_path, 50_000, told=200_000_000)
    with pytest.raises(DataError, match=r"a\.flac: 200,000,000 samples; expected at most 100,000,000"):
        recording_length(path)


@pytest.mark.parametrize("rate", [1, 99, 384_001, 2**31 - 1])
def test_a_rate_that_no_recorder_has_is_refused(wav: Path, rate: int) -> None:
    content = bytearray(wav.read_bytes())
    content[24:28] = rate.to_bytes(4, "little")
    wav.write_bytes(content)
    with pytest.raises(DataError, match=rf"a\.wav: a sample rate of {rate} Hz, which no recorder has"):
        recording_length(wav)


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
