import pytest
import torch
from pydantic import ValidationError

from data.batches import epoch_batches
from data.features import log_mel
from data.recipe_parts import BatchSamplerConfig, FeatureConfig, FoldConfig


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"sample_rate": 4000, "high_hz": 2500.0},
            "high_hz must not exceed half of sample_rate (2000 Hz), got 2500",
        ),
        (
            {"low_hz": 900.0, "high_hz": 800.0},
            "low_hz must lie below the highest frequency (800 Hz), got 900",
        ),
        ({"duration_s": 0.01}, "duration_s must hold a frame of 25 ms (the default), got 0.01"),
        ({"frame_shift_ms": 0.01}, "frame_shift_ms 1, at 16000 Hz"),
        ({"norm": "batch"}, "per_sample"),
        (
            {"front_end": "stft_db", "norm": "audioset"},
            "norm audioset has the statistics of front_end kaldi; with stft_db, norm must be per_sample or min_max",
        ),
        (
            {"front_end": "stft_db", "norm": "beats"},
            "norm beats has the statistics of front_end kaldi; with stft_db, norm must be per_sample or min_max",
        ),
        (
            {"front_end": "stft_db", "window": "povey"},
            "window povey is for front_end kaldi; with stft_db it must be hann",
        ),
        (
            {"fill": "raw_zero", "norm": "beats"},
            "with beats, no published system fills so; take norm audioset",
        ),
        (
            {"sample_rate": 4000, "low_hz": 1999.9999},
            "no line of the FFT, one every 31.25 Hz, lies between low_hz 2000 and the highest frequency 2000",
        ),
        (
            {"sample_rate": 4000, "front_end": "stft_db", "frame_length_ms": 0.5},
            "no line of the FFT, one every 2000 Hz, lies between low_hz 20 (the default) and the highest frequency 2000",
        ),
        (
            {"fill": "raw_zero"},
            "fill raw_zero wants norm audioset: with per_sample (the default), the frames appended would",
        ),
        (
            {"fill": "raw_zero", "norm": "audioset", "target_frames": 797},
            "the 798 computed, so target_frames must be at least 798, got 797",
        ),
        ({"fill": "raw_zero", "norm": "audioset", "target_frames": None}, "at least 798, got null"),
        ({"frame_length_ms": 1e308}, "less than or equal to 60000"),
        ({"frame_shift_ms": 1e305}, "less than or equal to 60000"),
        ({"sample_rate": 10**400}, "less than or equal to 384000"),
        ({"sample_rate": 10**30}, "less than or equal to 384000"),
        ({"padding": "reflect"}, "Input should be 'repeat' or 'zeros'"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FeatureConfig.model_validate(settings)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("front_end", ["kaldi", "stft_db"])
def test_a_band_over_a_single_line_is_heard(front_end: str) -> None:
    config = FeatureConfig.model_validate(
        {
            "front_end": front_end,
            "sample_rate": 8192,
            "frame_length_ms": 62.5,
            "low_hz": 1007.9,
            "high_hz": 1008.1,
            "duration_s": 1.0,
        }
    )
    assert config.fft_samples == 512
    features = log_mel(torch.randn(1, 8192, generator=torch.Generator().manual_seed(1)), config)
    assert features.std() > 0


def test_numbers_that_no_computer_takes_are_refused() -> None:
    for settings, refused in (
        (FoldConfig, {"seed": 10**30}),
        (BatchSamplerConfig, {"power": 1000}),
        (BatchSamplerConfig, {"power": 1e300}),
    ):
        with pytest.raises(ValidationError, match="less than or equal to"):
            settings.model_validate(refused)


def test_the_largest_power_still_draws_batches() -> None:
    labels = torch.tensor([0] * 100_000 + [1])
    config = BatchSamplerConfig(name="weighted", power=10)
    drawn = torch.cat(epoch_batches(labels, 16, config, torch.Generator().manual_seed(1)))
    assert (labels[drawn] == 1).float().mean() > 0.99


def test_the_fold_that_validates_is_one_of_the_folds() -> None:
    with pytest.raises(ValidationError, match="fold must be below folds: 3, got 3"):
        FoldConfig(folds=3, fold=3)
