from collections.abc import Iterator
from pathlib import Path

import pytest

from sweep.execution import this_machine
from sweep.folder.study_folder import StudyFolder


@pytest.fixture
def planning_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of two processors, whose cache is empty."""
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(this_machine, "machine_resources", lambda: {"CPU": 2.0})


@pytest.fixture(scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Features and weights that the tests of a module prepare are kept in a temporary folder of the module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RESPSWEEP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    """Where a study `one` is to lie."""
    return StudyFolder.find(tmp_path, "one")
