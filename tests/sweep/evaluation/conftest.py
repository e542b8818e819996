"""A study and the one that finishes it, trained once for all tests of this folder; each test has its own copy."""

import shutil
from pathlib import Path

import pytest

from sweep.evaluation.finish import finishing_study
from sweep.folder.study_folder import StudyFolder
from tests.sweep.evaluation.trained_studies import trained


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("RESPSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        studies = tmp_path_factory.mktemp("studies")
        first = trained(studies, "first")
        trained(studies, "first-finish", finishing_study(first))
    return studies


@pytest.fixture
def studies(_trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the studies `first` and `first-finish`, and a cache of its own."""
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    return Path(shutil.copytree(_trained, tmp_path / "studies"))


@pytest.fixture
def first(studies: Path) -> StudyFolder:
    return StudyFolder.open(studies, "first")


@pytest.fixture
def finished(studies: Path) -> StudyFolder:
    return StudyFolder.open(studies, "first-finish")
