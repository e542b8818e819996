from pathlib import Path

import pytest

from data.settings import ConfigError
from sweep.config.study_config import StudyConfig
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder
from tests.studies import tiny_study


def test_recordings_lie_where_they_are_given_or_where_the_study_says(tmp_path: Path) -> None:
    config = StudyConfig.model_validate(tiny_study(1, data=str(tmp_path / "breaths")))
    folder = StudyFolder.at(tmp_path, "one").create(config)
    assert recordings_of(folder) == tmp_path / "breaths"
    assert recordings_of(folder, tmp_path / "moved") == tmp_path / "moved"


def test_a_study_that_says_nothing_of_them_asks_for_them(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(StudyConfig.model_validate(tiny_study(1, data=None)))
    with pytest.raises(ConfigError, match=r"says nothing of its recordings; give --data DIR"):
        recordings_of(folder)
