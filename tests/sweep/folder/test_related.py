import errno
from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.folder.related import CROSSES, FINISHES, related_studies
from sweep.folder.study_folder import StudyFolder
from tests.studies import tiny_study
from tests.sweep.family import a_family

OWN = "1" * 32


def test_studies_made_of_another_are_found_by_its_id_whatever_their_names(tmp_path: Path) -> None:
    first = a_family(tmp_path, OWN)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.yaml").write_text("seeds: 3")
    StudyFolder.at(tmp_path, "other").create(StudyConfig.model_validate(tiny_study(1)))
    found = [(one.name, relation) for one, relation in related_studies(first)]
    assert found == [("first-finish", FINISHES), ("first-folds", CROSSES), ("third", FINISHES)]


def test_a_study_that_never_ran_has_no_id_and_no_relatives(tmp_path: Path) -> None:
    a_family(tmp_path, OWN)
    fresh = StudyFolder.at(tmp_path, "fresh").create(StudyConfig.model_validate(tiny_study(1)))
    assert related_studies(fresh) == []


def test_a_study_of_another_user_that_cannot_be_read_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = StudyFolder.config

    def refused(folder: StudyFolder) -> StudyConfig:
        if folder.name == "third":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder.study_file))
        return read(folder)

    first = a_family(tmp_path, OWN)
    monkeypatch.setattr(StudyFolder, "config", refused)
    assert [one.name for one, _ in related_studies(first)] == ["first-finish", "first-folds"]
