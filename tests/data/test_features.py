import math
from dataclasses import dataclass

import pytest
import torch
import torchaudio
from torch import Tensor
from torchaudio.compliance import kaldi

from data.audio import cut_cycle, fade, pad_cycle, resample
from data.features import log_mel, model_input, normalise
from data.recipe_parts import FeatureConfig
from tests.goldens import Golden, facts

LOG_FLOOR = torch.tensor(torch.finfo(torch.float32).eps).log().item()


def largest_difference(ours: Tensor, golden: Tensor) -> float:
    assert ours.shape == golden.shape
    return (ours - golden).abs().max().item()


@pytest.fixture(scope="module")
def frontend() -> Golden:
    return Golden("dass/audio_frontend")


@pytest.fixture(scope="module")
def fbank() -> Golden:
    return Golden("ast_sam/fbank")


@dataclass
class FrontEnd:
    """A golden recording on its way to the model, by our own hands."""

    resampled: Tensor
    cycle: Tensor
    clip: Tensor
    raw: Tensor
    normalised: Tensor
    seen: Tensor


CASES = ["sr4000_short", "sr44100_mid", "sr10000_long"]
WHOLE = CASES[:2]
"""Cases whose cycle is kept whole; of the long one every ninth sample is, which meets all phases of its resampler."""


def walk(frontend: Golden, case: str, *, golden_cycle: bool) -> FrontEnd:
    meta = facts("dass/audio_meta")[case]
    resampled = resample(frontend[f"{case}.pcm"].float()[None] / 32768, meta["sample_rate"], 16000)
    cycle = cut_cycle(fade(resampled, 16000), 16000, meta["start"], meta["end"])
    assert cycle.shape == (1, meta["cycle_samples"])
    clip = pad_cycle(frontend[f"{case}.resampled_faded_cycle"] if golden_cycle else cycle, 16000, 8.0)
    raw = log_mel(clip, FeatureConfig())
    assert raw.shape == (meta["frames"], 128)
    normalised = normalise(raw, "per_sample")
    return FrontEnd(resampled, cycle, clip, raw, normalised, model_input(normalised[None], 1024)[0])


@pytest.mark.parametrize("case", CASES)
def test_a_recording_becomes_the_golden_cycle(frontend: Golden, case: str) -> None:
    ours = walk(frontend, case, golden_cycle=False)
    if case not in WHOLE:
        assert largest_difference(ours.cycle[:, ::9], frontend[f"{case}.resampled_faded_cycle_every9"]) < 2e-6
        return
    cycle = frontend[f"{case}.resampled_faded_cycle"]
    assert largest_difference(ours.cycle, cycle) < 2e-6
    if case == "sr4000_short":
        assert largest_difference(ours.resampled[:, ::5], frontend[f"{case}.resampled_every5"]) < 2e-6
        end = frontend[f"{case}.padded_end"]
        padded = torch.cat([cycle.tile(6)[:, : 128000 - end.shape[1]], end], dim=1)
        assert largest_difference(ours.clip, padded) < 2e-6


@pytest.mark.parametrize("case", WHOLE)
def test_a_golden_cycle_becomes_the_golden_input(frontend: Golden, case: str) -> None:
    ours = walk(frontend, case, golden_cycle=True)
    assert largest_difference(ours.raw[::8], frontend[f"{case}.fbank_every8"]) < 1e-3
    statistics = torch.stack([ours.raw.mean(), ours.raw.std()])
    assert largest_difference(statistics, frontend[f"{case}.fbank_mean_std"]) < 1e-4
    assert largest_difference(ours.seen[::8], frontend[f"{case}.model_input_every8"]) < 2e-4
    if case == "sr4000_short":
        assert largest_difference(ours.normalised[::5], frontend[f"{case}.normalised_every5"]) < 2e-4


@pytest.mark.parametrize("case", CASES)
def test_a_recording_becomes_the_golden_input_wherever_there_is_sound(frontend: Golden, case: str) -> None:
    # Above the recording's own band a bin holds only the resampler's rounding, which the log magnifies.
    ours = walk(frontend, case, golden_cycle=False)
    golden = frontend[f"{case}.fbank_every8"]
    sound = golden > -12
    assert sound.float().mean() > 0.3
    assert (ours.raw[::8] - golden)[sound].abs().max() < 1e-3
    assert (ours.raw[::8] - golden).abs().mean() < 1e-4
    statistics = torch.stack([ours.raw.mean(), ours.raw.std()])
    assert largest_difference(statistics, frontend[f"{case}.fbank_mean_std"]) < 1e-3
    assert (ours.seen[::8] - frontend[f"{case}.model_input_every8"]).abs().mean() < 2e-5


@pytest.mark.parametrize("case", ["chirps", "chirps_noise_silence", "short_offset"])
def test_log_mels_match_the_float64_filter_bank(fbank: Golden, case: str) -> None:
    raw = log_mel(fbank[f"{case}/waveform"][None], FeatureConfig())
    difference = (raw - fbank[f"{case}/logmel"]).abs()
    assert difference.max() < 5e-3
    assert difference.mean() < 5e-4
    assert largest_difference(normalise(raw, "audioset"), fbank[f"{case}/normalized"]) < 6e-4


def test_64_bins_match_too(fbank: Golden) -> None:
    raw = log_mel(fbank["chirps/waveform"][None], FeatureConfig(n_mels=64))
    assert largest_difference(raw, fbank["chirps/logmel_64"]) < 5e-3


@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(),
        FeatureConfig(sample_rate=4000, n_mels=32, high_hz=1800.0, duration_s=1.0),
        FeatureConfig(sample_rate=8000, frame_length_ms=32, frame_shift_ms=16, n_mels=40, low_hz=0.0),
        FeatureConfig(sample_rate=11025, duration_s=1.37, n_mels=23),
    ],
)
def test_log_mels_are_torchaudios_to_the_bit(config: FeatureConfig) -> None:
    loud, quiet = torch.randn(1, config.samples), 1e-6 * torch.randn(1, config.samples)
    for wave in (loud, quiet, torch.zeros(1, config.samples), torch.cat([loud, quiet], dim=1)):
        expected = kaldi.fbank(
            wave,
            sample_frequency=config.sample_rate,
            frame_length=config.frame_length_ms,
            frame_shift=config.frame_shift_ms,
            num_mel_bins=config.n_mels,
            low_freq=config.low_hz,
            high_freq=config.high_hz or 0.0,
            window_type="hanning",
            use_energy=False,
        )
        assert torch.equal(log_mel(wave, config), expected)


BEATS = FeatureConfig(norm="beats", window="povey", target_frames=None)
"""The front end of BEATs."""


def test_the_front_end_of_beats_is_torchaudios_on_waveforms_as_loud_as_16_bits() -> None:
    loud, quiet = torch.randn(1, BEATS.samples), 1e-6 * torch.randn(1, BEATS.samples)
    for wave in (
        loud,
        quiet,
        torch.zeros(1, BEATS.samples),
        torch.cat([loud, quiet], dim=1)[:, 64000:-64000],
    ):
        # Kaldi's window and other defaults, as the published code calls it.
        bank = kaldi.fbank(
            wave * 2**15, num_mel_bins=128, sample_frequency=16000, frame_length=25, frame_shift=10
        )
        assert torch.equal(log_mel(wave, BEATS), bank)
        assert torch.equal(normalise(log_mel(wave, BEATS), BEATS.norm), (bank - 15.41663) / (2 * 6.55582))


def test_scaling_for_beats_adds_a_constant_above_the_floor_and_leaves_the_floor() -> None:
    hann = FeatureConfig(target_frames=None)
    wave = torch.randn(1, 128000)
    plain, scaled = log_mel(wave, hann), log_mel(wave, hann.model_copy(update={"norm": "beats"}))
    heard = plain > LOG_FLOOR
    torch.testing.assert_close(scaled[heard], plain[heard] + 30 * math.log(2), atol=1e-4, rtol=0)
    assert scaled[~heard].unique().tolist() == pytest.approx([LOG_FLOOR])
    assert (~heard).any()


def test_both_golden_mel_banks_are_the_ones_in_use(frontend: Golden, fbank: Golden) -> None:
    bank, _ = kaldi.get_mel_banks(128, 512, 16000.0, 20.0, 0.0, 100.0, -500.0, 1.0)
    assert largest_difference(bank, frontend["mel_banks"]) < 2e-5
    assert largest_difference(bank, fbank["mel_bank_128"]) < 2e-5


def test_frames_follow_from_samples_as_in_fbank_json() -> None:
    said = facts("ast_sam/fbank")
    for samples, frames in said["frames_for_samples"].items():
        if frames:
            assert FeatureConfig(duration_s=int(samples) / 16000).frames == frames
    silence = log_mel(torch.zeros(1, 16000), FeatureConfig())
    assert silence.min().item() == pytest.approx(said["log_floor"], abs=1e-5)
    assert normalise(silence, "audioset")[0, 0].item() == pytest.approx(
        said["log_floor_normalized"], abs=1e-6
    )
    assert said["empty_mel_filters_128"] == [3]


def test_bin_3_has_no_line_under_it_and_stays_at_the_floor() -> None:
    raw = log_mel(torch.rand(1, 16000), FeatureConfig())
    assert torch.allclose(raw[:, 3], torch.full((98,), LOG_FLOOR))
    assert (raw[:, 4] > LOG_FLOOR + 1).all()


def test_eight_seconds_are_798_frames_stretched_to_1024() -> None:
    config = FeatureConfig()
    assert (config.samples, config.frames, config.input_shape) == (128000, 798, (1024, 128))
    assert FeatureConfig(target_frames=None).input_shape == (798, 128)


@pytest.mark.parametrize(
    "config",
    [
        FeatureConfig(sample_rate=4000, n_mels=32, high_hz=1800.0),
        FeatureConfig(sample_rate=8000, duration_s=2.5, frame_length_ms=32, frame_shift_ms=16, n_mels=40),
        FeatureConfig(sample_rate=11025, duration_s=1.37, n_mels=23),
    ],
)
def test_a_clip_has_as_many_frames_as_its_config_says(config: FeatureConfig) -> None:
    clip = pad_cycle(torch.rand(1, 1000), config.sample_rate, config.duration_s)
    assert log_mel(clip, config).shape == (config.frames, config.n_mels)


CNN_TSA = FeatureConfig(
    front_end="stft_db",
    n_mels=64,
    frame_length_ms=64,
    frame_shift_ms=32,
    low_hz=50,
    high_hz=2000,
    norm="min_max",
    target_frames=None,
)
"""The front end of CNN-TSA."""


@pytest.mark.parametrize(
    "config",
    [
        CNN_TSA,
        FeatureConfig(front_end="stft_db", sample_rate=8000, duration_s=2.5, n_mels=40),
        FeatureConfig(front_end="stft_db", sample_rate=11025, duration_s=1.37, n_mels=23),
    ],
)
def test_decibels_are_those_of_torchaudio(config: FeatureConfig) -> None:
    wave = torch.cat([torch.randn(1, config.samples // 2), torch.zeros(1, -(-config.samples // 2))], dim=1)
    power = torchaudio.transforms.MelSpectrogram(
        config.sample_rate,
        n_fft=config.window_samples,
        hop_length=config.shift_samples,
        f_min=config.low_hz,
        f_max=config.high_hz or config.sample_rate / 2,
        n_mels=config.n_mels,
    )(wave)
    expected = torchaudio.transforms.AmplitudeToDB("power", top_db=None)(power)[0].T
    torch.testing.assert_close(log_mel(wave, config), expected, rtol=1e-4, atol=1e-3)
    assert log_mel(wave, config)[-1].tolist() == pytest.approx([-100.0] * config.n_mels)


def test_a_tone_is_loudest_in_its_band_at_its_power() -> None:
    time = torch.arange(CNN_TSA.samples) / CNN_TSA.sample_rate
    spectrogram = log_mel(torch.sin(2 * torch.pi * 1000 * time)[None].float(), CNN_TSA)
    edges = torch.linspace(*(2595 * math.log10(1 + hz / 700) for hz in (50, 2000)), steps=66)
    centres = 700 * (10 ** (edges[1:-1] / 2595) - 1)
    assert spectrogram[100].argmax() == (centres - 1000).abs().argmin()
    # A line of a Hann window is a quarter of its length high, 256; this one lies in a triangle of height near 1.
    assert spectrogram[100].max().item() == pytest.approx(20 * math.log10(256), abs=2.0)


def test_eight_seconds_in_steps_of_32_ms_are_251_centred_frames() -> None:
    assert CNN_TSA.input_shape == (251, 64)
    click = torch.zeros(1, CNN_TSA.samples)
    click[0, 100 * CNN_TSA.shift_samples] = 1
    assert log_mel(click, CNN_TSA).sum(dim=1).argmax() == 100


@pytest.mark.parametrize("milliseconds", [25, 64])
@pytest.mark.parametrize("duration_s", [1.0, 1.37, 2.0])
@pytest.mark.parametrize("sample_rate", [4000, 11000, 11025])
def test_decibels_have_as_many_frames_as_the_config_says(
    sample_rate: int, duration_s: float, milliseconds: int
) -> None:
    config = FeatureConfig(
        front_end="stft_db",
        sample_rate=sample_rate,
        duration_s=duration_s,
        frame_length_ms=milliseconds,
        n_mels=16,
    )
    assert log_mel(torch.rand(1, config.samples), config).shape == (config.frames, 16)


def test_min_max_spans_zero_to_one_and_leaves_silence_at_zero() -> None:
    features = torch.tensor([[-100.0, -80.0], [-60.0, -20.0]])
    assert normalise(features, "min_max").tolist() == [[0, 0.25], [0.5, 1]]
    assert not normalise(torch.full((3, 4), -100.0), "min_max").any()


def test_a_spectrogram_has_mean_0_and_standard_deviation_one_half() -> None:
    normalised = normalise(torch.rand(50, 40) * 3 - 7, "per_sample")
    assert normalised.mean().item() == pytest.approx(0, abs=1e-5)
    assert normalised.std().item() == pytest.approx(0.5, abs=1e-5)


@pytest.mark.parametrize(("level", "spread"), [(-7.0, 3.0), (-15.9, 1e-5), (1e4, 0.01)])
def test_mean_and_deviation_are_those_of_torch_to_the_bit(level: float, spread: float) -> None:
    features = torch.randn(798, 128) * spread + level
    std, mean = torch.std_mean(features)
    assert torch.equal(normalise(features, "per_sample"), (features - mean) / (2 * std))


@pytest.mark.parametrize("value", [-15.942385, -15.9, 0.0, 0.1, 1e30])
def test_digital_silence_becomes_zeros(value: float) -> None:
    assert (normalise(torch.full((798, 128), value), "per_sample") == 0).all()


def test_a_resize_interpolates_along_time_alone() -> None:
    ramp = torch.arange(4.0)[None, :, None].expand(1, 4, 3)
    assert model_input(ramp, 8)[0, :, 1].tolist() == [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3]


def test_shrinking_averages_instead_of_skipping() -> None:
    alternating = torch.tensor([1.0, -1.0]).repeat(32)[None, :, None].expand(1, 64, 2)
    assert model_input(alternating, 8)[:, 1:-1].abs().max() < 0.05


def test_filled_frames_are_those_that_were_zero_before_they_were_normalised() -> None:
    raw = torch.randn(798, 128)
    filled = torch.cat([raw, torch.zeros(226, 128)])
    (seen,) = model_input(normalise(raw, "audioset")[None], 1024, "raw_zero")
    torch.testing.assert_close(seen, normalise(filled, "audioset"))
    filler = facts("ast_sam/fbank")["zero_fill_normalized"]
    assert seen[-1].unique().item() == pytest.approx(filler, abs=1e-6)


@pytest.mark.parametrize("target", [None, 12])
def test_a_batch_of_the_right_length_is_left_alone(target: int | None) -> None:
    batch = torch.rand(2, 12, 4)
    assert model_input(batch, target) is batch


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_normalising_leaves_its_input_alone(dtype: torch.dtype) -> None:
    features = (3 * torch.randn(798, 128, dtype=torch.float64) - 7).to(dtype)
    before = features.clone()
    normalised = normalise(features, "per_sample")
    assert torch.equal(features, before)
    std, mean = torch.std_mean(before)
    torch.testing.assert_close(normalised, (before - mean) / (2 * std))
