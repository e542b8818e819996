"""Damaged and malicious files, each answered by a right result or by one line that names the file."""

from collections.abc import Callable
from pathlib import Path

import pytest

from data.audio import read_recording
from data.audio_file import recording_length
from data.dataset import Recording
from data.errors import DataError, UserError
from data.icbhi import read_icbhi
from data.recipe_parts import FeatureConfig
from data.settings import ConfigError
from data.store import recording_features
from model.training.recipe import read_recipe
from sweep.cluster.check import read_cluster_file
from sweep.config.overrides import overrides
from sweep.config.study_config import read_study

READERS: dict[str, Callable[[Path], object]] = {
    "recipe.yaml": read_recipe,
    "study.yaml": read_study,
    "choices.yaml": read_study,
    "cluster.yaml": read_cluster_file,
}


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("hostile/16_yaml_alias_bomb/recipe.yaml", "aliases that stand for more than"),
        ("hostile/16b_yaml_alias_bomb_study/study.yaml", "aliases that stand for more than"),
        ("hostile/17_frame_shift_overflow/recipe.yaml", "features.frame_shift_ms: must be less"),
        ("hostile/17_yaml_deep/recipe.yaml", "lists and mappings in each other"),
        ("hostile/17_yaml_map_tag/recipe.yaml", "expected a mapping"),
        ("hostile/17_yaml_scalar_bool/recipe.yaml", "'x' is no value of the type bool"),
        ("hostile/17_yaml_scalar_hex/recipe.yaml", "epochs: must be a whole number, got '0x_'"),
        ("hostile/17_yaml_scalar_int/recipe.yaml", "'x' is no value of the type int"),
        ("hostile/17_yaml_scalar_int_empty/recipe.yaml", "'' is no value of the type int"),
        ("hostile/17_yaml_scalar_null_date/recipe.yaml", "epochs: must be a whole number"),
        ("hostile/18_grid_product/study.yaml", "makes a grid of 99,990,000 points or more"),
        ("hostile/18_step_decimal/study.yaml", "steps from low"),
        ("hostile/18_step_grid_endless/study.yaml", "steps from low"),
        ("hostile/18_step_tpe_endless/study.yaml", "steps from low"),
        ("hostile/25_cluster_alias_cycle/cluster.yaml", "a value that holds itself"),
        ("hostile/25_cluster_int/cluster.yaml", "'x' is no value of the type int"),
        ("use/04_yaml_off_is_stage_0/study.yaml", "smoothing.stage: .*got 'off'; write null for none"),
        ("use/04_yaml_off_is_stage_0/choices.yaml", "smoothing.stage: .*got 'off'; write null for none"),
        ("use/05_off_and_0_message/study.yaml", "smoothing.stage: .*got 'off'; write null for none"),
        ("use/06_wall_clock_1_30/study.yaml", "budget.wall_clock: .*got '1:30'; write 1.5 for 1:30"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_line(cases: Path, case: str, complaint: str) -> None:
    path = cases / case
    with pytest.raises(ConfigError, match=complaint) as caught:
        READERS[path.name](path)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("case", "complaint"),
    [
        ("13_flac_2_36_samples", "truncated: its header promises 68719476735 samples"),
        ("14_truncated_AIFF", "a file of the format AIFF"),
        ("14_truncated_RF64", "truncated"),
        ("15_rate_2147483647", "a sample rate of 2147483647 Hz, which no recorder has"),
        ("15_rate_44101", "a sample rate of 44101 Hz cannot be brought to 16000 Hz"),
    ],
)
def test_a_recording_that_cannot_be_used_is_named(cases: Path, case: str, complaint: str) -> None:
    (path,) = (found for found in (cases / "hostile" / case).iterdir() if found.name != "README")
    recording = Recording(path.stem, path, path, 101, "Al", "sc", "Meditron", "train", 4000, 4000, ())
    with pytest.raises(DataError, match=complaint) as caught:
        next(recording_features(recording, FeatureConfig()), None)
    assert str(caught.value).startswith(f"{path}:")
    assert "\n" not in str(caught.value)


def test_a_streamed_flac_is_read_and_a_wav_of_open_length_warned_of(cases: Path) -> None:
    (flac,) = (cases / "hostile" / "12_flac_streamed").glob("*.flac")
    assert recording_length(flac) == (4000, 4000)
    assert read_recording(flac)[0].shape == (1, 4000)
    (wav,) = (cases / "hostile" / "14_wav_length_unset").glob("*.wav")
    with pytest.warns(UserWarning, match="left the length open"):
        recording_length(wav)


def test_equal_audio_of_two_patients_is_warned_of(cases: Path) -> None:
    with pytest.warns(UserWarning, match=r"301_1b1_Al_sc_Meditron\.wav .*302_1b1_Al_sc_Meditron\.wav"):
        read_icbhi(cases / "use" / "14_same_audio_two_patients" / "data")


@pytest.mark.parametrize("case", ["19_set_bool_x", "19_set_int_x"])
def test_a_setting_that_is_no_value_is_refused(cases: Path, case: str) -> None:
    argument = (cases / "hostile" / case / "argument").read_text().strip()
    with pytest.raises(ConfigError, match=r"--set .*: no YAML value"):
        overrides([argument])


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("features.n_mels", [10**6, 10**9]),
        ("features.sample_rate", [10**9]),
        ("features.target_frames", [10**9]),
        ("smoothing.kernel_size", [10**9 + 1]),
        ("augment.time_masks", [10**9]),
        ("epochs", [10**9]),
        ("batch_size", [10**9]),
    ],
)
def test_a_slip_of_the_finger_takes_no_memory(tmp_path: Path, field: str, values: list[int]) -> None:
    path = tmp_path / "recipe.yaml"
    for value in values:
        group, _, name = field.rpartition(".")
        path.write_text(f"{group}: {{{name}: {value}}}" if group else f"{name}: {value}")
        with pytest.raises(UserError, match=rf"{field}: must be less than or equal to"):
            read_recipe(path)


@pytest.mark.parametrize(
    "features",
    [
        "sample_rate: 384000, duration_s: 60, frame_shift_ms: 0.003",
        "n_mels: 4096, target_frames: 1000000",
        "sample_rate: 384000, duration_s: 60, frame_length_ms: 60000, n_mels: 4096",
    ],
)
def test_bounds_that_only_together_take_all_memory_are_refused(tmp_path: Path, features: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(f"features: {{{features}}}")
    with pytest.raises(ConfigError, match="more than a machine should hold for a cycle"):
        read_recipe(path)
