from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio.functional
from hypothesis import given
from hypothesis import strategies as st

from data.audio import cut_cycle, fade, pad_cycle, read_recording, resample
from data.audio_file import recording_length
from data.errors import DataError


@pytest.fixture
def wav(tmp_path: Path) -> Path:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.linspace(-0.9, 0.9, 4000), 4000, subtype="PCM_16")
    return path


@pytest.mark.parametrize("subtype", ["PCM_S8", "PCM_16", "PCM_24"])
def test_a_flac_whose_samples_are_not_those_of_its_check_sum_is_refused(tmp_path: Path, subtype: str) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 3000), 4000, subtype=subtype)
    wave, _ = read_recording(path)
    assert np.array_equal(wave[0].numpy(), soundfile.read(path, dtype="float32")[0])
    content = bytearray(path.read_bytes())
    content[30] ^= 1  # of the MD5, as a wrong sample would change it
    path.write_bytes(content)
    with pytest.raises(
        DataError, match=r"a\.flac: damaged audio: its samples are not those of the check sum"
    ):
        read_recording(path)
    # What was written as a stream has none.
    content[26:42] = bytes(16)
    path.write_bytes(content)
    assert torch.equal(read_recording(path)[0], wave)


def test_a_damaged_flac_is_read_right_or_refused(tmp_path: Path) -> None:
    path, rng = tmp_path / "a.flac", np.random.default_rng(1)
    soundfile.write(path, rng.uniform(-1, 1, 400), 4000, subtype="PCM_16")
    right, content, refused = read_recording(path)[0], path.read_bytes(), 0
    for place in range(42, len(content)):
        path.write_bytes(
            content[:place] + bytes([content[place] ^ int(rng.integers(1, 256))]) + content[place + 1 :]
        )
        try:
            assert torch.equal(read_recording(path)[0], right), place
        except DataError:
            refused += 1
    assert refused > 700


@pytest.mark.parametrize(
    ("suffix", "subtype"),
    [
        ("wav", "PCM_16"),
        ("wav", "PCM_24"),
        ("wav", "PCM_32"),
        ("wav", "FLOAT"),
        ("flac", "PCM_16"),
        ("flac", "PCM_24"),
    ],
)
@pytest.mark.parametrize("rate", [4000, 10000, 44100])
def test_every_format_decodes_to_the_same_samples(
    tmp_path: Path, suffix: str, subtype: str, rate: int
) -> None:
    exact = np.array([0.0, 0.5, -0.5, -1.0, 2**-15])
    path = tmp_path / f"a.{suffix}"
    soundfile.write(path, exact, rate, subtype=subtype)
    wave, read_rate = read_recording(path)
    assert read_rate == rate
    assert wave.dtype == torch.float32
    assert wave.tolist() == [exact.tolist()]
    assert recording_length(path) == (rate, 5)


def test_the_original_recordings_decode_whole(shared: Path) -> None:
    subtypes = {}
    for path in sorted((shared / "icbhi_wav").glob("*.wav")):
        wave, rate = read_recording(path)
        assert (rate, wave.shape[1]) == recording_length(path)
        subtypes[path.name] = soundfile.info(str(path)).subtype
    assert sorted(subtypes.values()) == ["PCM_16"] * 6 + ["PCM_24"] * 4


def test_flac_and_wav_of_one_recording_are_the_same_sound(shared: Path) -> None:
    name = "104_1b1_Al_sc_Litt3200"
    wav, rate = read_recording(shared / "icbhi_wav" / f"{name}.wav")
    flac, flac_rate = read_recording(shared / "icbhi_sample" / f"{name}.flac")
    cycle, same_cycle = cut_cycle(wav, rate, 1.0, 2.0), cut_cycle(flac, flac_rate, 1.0, 2.0)
    assert torch.allclose(cycle, same_cycle, atol=2e-5)


def test_a_truncated_flac_is_refused_when_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-1, 1, 40000), 4000)
    path.write_bytes(path.read_bytes()[:30000])
    with pytest.raises(DataError, match=r"a\.flac: .*truncated"):
        read_recording(path)


def test_samples_that_are_no_numbers_are_refused(wav: Path) -> None:
    soundfile.write(wav, np.array([0.0, np.nan, 0.1]), 4000, subtype="FLOAT")
    with pytest.raises(DataError, match="not finite"):
        read_recording(wav)


def test_a_tone_keeps_its_pitch_and_level_when_resampled() -> None:
    tone = torch.sin(2 * torch.pi * 500 * torch.arange(4000) / 4000)[None]
    expected = torch.sin(2 * torch.pi * 500 * torch.arange(16000) / 16000)[None]
    resampled = resample(tone, 4000, 16000)
    assert resampled.shape == expected.shape
    assert torch.allclose(resampled[:, 200:-200], expected[:, 200:-200], atol=5e-3)


@pytest.mark.parametrize("rate", [4000, 10000, 44100])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_resampling_is_torchaudios_to_the_bit(rate: int, dtype: torch.dtype) -> None:
    wave = torch.rand(1, 5000, dtype=dtype)
    for _ in range(2):
        assert torch.equal(resample(wave, rate, 16000), torchaudio.functional.resample(wave, rate, 16000))


def test_a_recording_at_the_right_rate_is_left_alone() -> None:
    wave = torch.rand(1, 100)
    assert resample(wave, 16000, 16000) is wave


def test_a_fade_runs_from_0_to_1_over_a_sixteenth_of_a_second() -> None:
    faded = fade(torch.ones(1, 5000), 16000)[0]
    assert faded[:1000].tolist() == torch.linspace(0, 1, 1000).tolist()
    assert faded[-1000:].tolist() == torch.linspace(0, 1, 1000).flip(0).tolist()
    assert (faded[1000:-1000] == 1).all()


def test_fading_leaves_the_original_alone() -> None:
    wave = torch.ones(1, 3000)
    fade(wave, 16000)
    assert (wave == 1).all()


def test_cut_times_are_truncated_to_samples_and_clipped() -> None:
    wave = torch.arange(10.0)[None]
    assert cut_cycle(wave, 10, 0.29, 0.59).tolist() == [[2, 3, 4]]
    assert cut_cycle(wave, 10, 0.75, 1.04).tolist() == [[7, 8, 9]]


def test_a_short_cycle_is_repeated_and_faded_out() -> None:
    clip = pad_cycle(torch.tensor([[1.0, 2.0, 3.0]]), 16, 0.5)
    assert clip.shape == (1, 8)
    assert clip[0, :7].tolist() == [1, 2, 3, 1, 2, 3, 1]
    long = pad_cycle(torch.ones(1, 700), 16000, 0.1)
    assert long[0, 0] == 1
    assert long[0, -1] == 0


@pytest.mark.parametrize("length", [700, 1600])
def test_fading_a_clip_leaves_its_cycle_alone(length: int) -> None:
    cycle = torch.ones(1, length)
    assert pad_cycle(cycle, 16000, 0.1)[0, -1] == 0
    assert (cycle == 1).all()


def test_a_cycle_of_just_the_right_length_is_faded_but_a_longer_one_only_cut() -> None:
    assert pad_cycle(torch.ones(1, 8000), 16000, 0.5)[0, -1] == 0
    assert pad_cycle(torch.ones(1, 8001), 16000, 0.5)[0, -1] == 1


@given(st.integers(1, 300), st.integers(1, 300))
def test_a_clip_holds_the_cycle_over_and_over(length: int, target: int) -> None:
    cycle = torch.arange(1.0, length + 1)[None]
    clip = pad_cycle(cycle, 1, float(target))
    assert clip.tolist() == [[float(position % length + 1) for position in range(target)]]


@pytest.mark.parametrize(
    ("target", "clip"),
    [
        (8, [0, 0, 1, 2, 3, 0, 0, 0]),
        (7, [0, 0, 1, 2, 3, 0, 0]),
        (3, [1, 2, 3]),
        (2, [1, 2]),
    ],
)
def test_a_cycle_among_zeros_lies_in_their_middle_unfaded(target: int, clip: list[float]) -> None:
    assert pad_cycle(torch.tensor([[1.0, 2.0, 3.0]]), 1, float(target), "zeros").tolist() == [clip]


def test_a_cycle_without_samples_cannot_be_padded() -> None:
    with pytest.raises(ValueError, match="without samples"):
        pad_cycle(torch.zeros(1, 0), 16000, 8.0)


@pytest.mark.parametrize("samples", [[100.0, -32768.0, 7.5], [3.0, -2.0, 0.0]])
def test_floating_samples_at_the_scale_of_integers_are_refused(tmp_path: Path, samples: list[float]) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array(samples), 4000, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav: floating samples up to .*expected values in \[-1, 1\]"):
        read_recording(path)


def test_floating_samples_that_are_a_little_too_loud_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    soundfile.write(path, np.array([1.25, -0.5]), 4000, subtype="FLOAT")
    assert read_recording(path)[0].tolist() == [[1.25, -0.5]]


def test_a_flac_without_a_length_is_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.flac"
    soundfile.write(path, np.arange(5000) / 2**15, 4000, subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    wave, rate = read_recording(path)
    assert (rate, wave.shape) == (4000, (1, 5000))
    assert torch.equal(wave[0], torch.arange(5000) / 2**15)


def test_rates_that_have_nothing_in_common_are_refused_before_a_filter_is_made() -> None:
    with pytest.raises(ValueError, match="a sample rate of 44101 Hz cannot be brought to 16000 Hz"):
        resample(torch.zeros(1, 100), 44101, 16000)
