from pathlib import Path

import pytest
import yaml

from data.settings import ConfigError
from sweep.config.overrides import overrides
from sweep.config.study_config import read_study


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


@pytest.mark.parametrize("assignment", ["budget", "=3", "seeds=[1,"])
def test_a_setting_that_is_none_is_refused(assignment: str) -> None:
    with pytest.raises(ConfigError, match=r"--set "):
        overrides([assignment])


def test_a_field_that_does_not_exist_is_refused_by_name(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"budget\.gpu_hour"):
        read_study(study_file, {"budget.gpu_hour": 8})


def test_what_is_searched_is_changed_in_the_file_alone(study_file: Path) -> None:
    with pytest.raises(ConfigError, match=r"search\.patch_mix\.beta\.low: .* edit the study file"):
        read_study(study_file, {"search.patch_mix.beta.low": 0.1})
