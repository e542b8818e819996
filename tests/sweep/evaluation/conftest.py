"""A study and the one that finishes it, trained once for all tests of this folder; each test has its own copy."""

import shutil
from pathlib import Path

import pytest

from sweep.evaluation.cross_fold_ranking import crossing_folder
from sweep.evaluation.cross_folds import crossing_study
from sweep.evaluation.finish import finishing_study
from sweep.folder.study_folder import StudyFolder
from tests.sweep.evaluation.crossed_studies import a_search, answered
from tests.sweep.evaluation.trained_studies import few_cycles, trained


@pytest.fixture(scope="session")
def _trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The studies, and the recordings that were made up for them."""
    with pytest.MonkeyPatch.context() as environment, few_cycles():
        cache = tmp_path_factory.mktemp("cache")
        environment.setenv("RESPSWEEP_CACHE", str(cache))
        studies = tmp_path_factory.mktemp("studies")
        first = trained(studies, "first")
        trained(studies, "first-finish", finishing_study(first))
    return studies, cache / "synthetic"


@pytest.fixture
def studies(_trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the studies `first` and `first-finish`, and a cache with the recordings and nothing else."""
    trained_studies, recordings = _trained
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "synthetic").symlink_to(recordings)
    return Path(shutil.copytree(trained_studies, tmp_path / "studies"))


@pytest.fixture
def first(studies: Path) -> StudyFolder:
    return StudyFolder.open(studies, "first")


@pytest.fixture
def finished(studies: Path) -> StudyFolder:
    return StudyFolder.open(studies, "first-finish")


@pytest.fixture(scope="session")
def _crossed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The studies of a search and of its finalists on other folds, and the cache with their features."""
    with pytest.MonkeyPatch.context() as environment:
        cache = tmp_path_factory.mktemp("cache")
        environment.setenv("RESPSWEEP_CACHE", str(cache))
        studies = tmp_path_factory.mktemp("studies")
        searched = StudyFolder.at(studies, "first")
        answered(searched, a_search())
        answered(crossing_folder(searched), crossing_study(searched))
    return studies, cache


@pytest.fixture
def searched(_crossed: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyFolder:
    """A search whose finalists were trained on all folds; there is no ranking yet."""
    studies, cache = _crossed
    monkeypatch.setenv("RESPSWEEP_CACHE", str(cache))
    return StudyFolder.open(shutil.copytree(studies, tmp_path / "studies"), "first")
