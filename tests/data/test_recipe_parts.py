import pytest
from pydantic import ValidationError

from data.recipe_parts import FeatureConfig, FoldConfig


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
        ({"duration_s": 0.01}, "duration_s must hold a frame of 25 ms, got 0.01"),
        ({"frame_shift_ms": 0.01}, "frame_shift_ms 1, at 16000 Hz"),
        ({"norm": "batch"}, "per_sample"),
        (
            {"front_end": "stft_db", "norm": "audioset"},
            "norm audioset has the statistics of front_end kaldi; with stft_db, norm must be per_sample or min_max",
        ),
        ({"padding": "reflect"}, "Input should be 'repeat' or 'zeros'"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValidationError) as caught:
        FeatureConfig.model_validate(settings)
    assert complaint in str(caught.value)


def test_the_fold_that_validates_is_one_of_the_folds() -> None:
    with pytest.raises(ValidationError, match=r"fold must be below folds \(3\), got 3"):
        FoldConfig(folds=3, fold=3)
