from pathlib import Path

import numpy as np
import pytest
import yaml

from data.settings import ConfigError
from sweep.config.overrides import overrides
from sweep.config.study_config import read_study
from sweep.study.racing import ContendersConfig


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    path = tmp_path / "study.yaml"
    search = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}
    path.write_text(yaml.safe_dump({"search": search, "budget": {"configurations": 4}}))
    return path


def test_settings_are_yaml_by_dotted_field(study_file: Path) -> None:
    settings = overrides(["budget.wall_clock=8", "racing={name: none}", "seeds=[1, 2]", "data=null"])
    assert settings == {"budget.wall_clock": 8, "racing": {"name": "none"}, "seeds": [1, 2], "data": None}
    config = read_study(study_file, settings)
    assert (config.budget.wall_clock, config.budget.configurations) == (8, 4)
    assert config.racing.name == "none"


def test_a_setting_within_what_the_file_names_in_short_form_leaves_the_name(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    search = {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}}
    short = {"sampler": "random", "pruner": "median", "racing": "contenders"}
    path.write_text(yaml.safe_dump({"search": search, **short}))
    settings = {"sampler.seed": 3, "pruner.arguments.n_startup_trials": 2, "racing.p": 0.1}
    config = read_study(path, settings)
    assert (config.sampler.name, config.sampler.seed) == ("random", 3)
    assert (config.pruner.name, config.pruner.arguments) == ("median", {"n_startup_trials": 2})
    assert config.racing == ContendersConfig(p=0.1)
    assert read_study(path, {"sampler.name": "qmc"}).sampler.name == "qmc"


@pytest.mark.parametrize("assignment", ["budget", "=3", "seeds=[1,"])
def test_a_setting_that_is_none_is_refused(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"--set "):
        overrides([assignment])


def test_numbers_of_numpy_become_plain_ones(study_file: Path) -> None:
    config = read_study(
        study_file,
        {
            "recipe": {"epochs": np.int64(3), "optimiser": {"learning_rate": np.float32(0.5)}},
            "recipe.patch_mix.axes": np.array(["time"]),
            "sampler.arguments": {"n_startup_trials": np.int64(4)},
            "seeds": np.arange(1, 4),
        },
    )
    assert yaml.safe_load(yaml.safe_dump(config.model_dump(mode="json")))["recipe"] == {
        "epochs": 3,
        "optimiser": {"learning_rate": 0.5},
        "patch_mix": {"axes": ["time"]},
    }
    assert config.sampler.arguments == {"n_startup_trials": 4}
    assert config.seeds == (1, 2, 3)


def test_a_value_that_no_file_can_hold_is_refused(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"sampler\.arguments: must be a value that YAML has, got <object"):
        read_study(study_file, {"sampler.arguments": {"seed": object()}})


def test_a_field_that_does_not_exist_is_refused_by_name(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"budget\.gpu_hour"):
        read_study(study_file, {"budget.gpu_hour": 8})


def test_what_is_searched_is_changed_in_the_file_alone(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"search\.patch_mix\.beta\.low: .* edit the study file"):
        read_study(study_file, {"search.patch_mix.beta.low": 0.1})
