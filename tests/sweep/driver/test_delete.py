"""A study that is deleted: what goes, and what stays."""

import errno
import shutil
from pathlib import Path

import pytest

from evidence.ledger import SEALED
from sweep.driver.delete import DeleteError, delete_study, what_goes
from sweep.evaluation.ledgers import Ledgers
from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.study_folder import StudyFolder, present_studies
from sweep.storage.storage import StorageError
from tests.object_store import S3
from tests.sweep.family import a_family, a_study, for_some_and_for_all

OWN = "1" * 32


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))


def test_a_study_that_another_finishes_stays_until_that_one_is_gone(tmp_path: Path) -> None:
    first = a_family(tmp_path, OWN)
    with pytest.raises(
        DeleteError, match=r"first-finish, .*third finishes it, .*respsweep delete first-finish"
    ):
        delete_study(first)
    for name in ("first-finish", "third"):
        delete_study(StudyFolder.open(tmp_path, name))
    deletion = what_goes(first)
    assert [one.name for one in deletion.studies] == ["first", "first-folds"]
    assert deletion.lines()[0].startswith(
        f"goes: {tmp_path}/first and {tmp_path}/first-folds, 6 files, 0.00 GiB"
    )
    delete_study(first)
    assert present_studies(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_networks_for_all_patients_go_with_those_for_some_that_they_stand_beside(tmp_path: Path) -> None:
    deletion = what_goes(for_some_and_for_all(tmp_path, OWN))
    assert [one.name for one in deletion.studies] == ["young-finish", "young-finish-unified"]
    delete_study(deletion.studies[0])
    assert present_studies(tmp_path) == []


def test_a_ledger_of_readings_is_kept_with_its_bundles_and_that_is_said(tmp_path: Path) -> None:
    study = a_study(tmp_path / "studies", "read", OWN)
    ledgers = Ledgers(study, "d" * 64, tmp_path / "cache")
    ledgers.seal({**dict.fromkeys(SEALED, "..."), "study": "read", "study_id": OWN}, "d" * 64)
    (study.path / "test-1.bundle").write_bytes(b"evidence")
    ledger = (study.path / "ledger.jsonl").read_bytes()
    kept = tmp_path / "studies" / ".ledgers" / "read-11111111"
    said = delete_study(study)
    assert f"stays: the ledger of 1 reading of the test part, and its bundles, in {kept}" in said
    assert not study.path.exists()
    assert (kept / "ledger.jsonl").read_bytes() == ledger
    assert (kept / "test-1.bundle").read_bytes() == b"evidence"
    another = Ledgers(a_study(tmp_path / "studies", "other", "2" * 32), "d" * 64, tmp_path / "cache")
    assert another.readings() == 1


def test_a_study_without_readings_leaves_no_ledger(tmp_path: Path) -> None:
    delete_study(a_study(tmp_path, "one", OWN))
    assert list(tmp_path.iterdir()) == []


def test_runs_on_a_server_stay_and_that_is_said(tmp_path: Path) -> None:
    study = a_study(tmp_path, "one", OWN, tracking_uri="http://127.0.0.1:9")
    assert "stays: the runs at http://127.0.0.1:9; delete the experiment there" in delete_study(study)


def test_a_study_behind_a_link_is_deleted_with_its_link(tmp_path: Path) -> None:
    a_study(tmp_path / "scratch", "one", OWN)
    studies = tmp_path / "studies"
    studies.mkdir()
    (studies / "one").symlink_to(tmp_path / "scratch" / "one")
    delete_study(StudyFolder.open(studies, "one"))
    assert [*studies.iterdir(), *(tmp_path / "scratch").iterdir()] == []


def test_what_cannot_be_removed_is_named_and_the_study_is_gone_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path / "units"))

    study = a_study(tmp_path, "one", OWN)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", refuses)
        with pytest.raises(StorageError, match=r"one: the study is deleted, but .*/units cannot be removed"):
            delete_study(study)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".deleted-one-")
    assert present_studies(tmp_path) == []


def test_a_folder_that_cannot_be_taken_away_is_left_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(path: Path, target: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    study = a_study(tmp_path, "one", OWN)
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", refuses)
        with pytest.raises(PermissionError):
            delete_study(study)
    assert study.board().stopped == "over"
    delete_study(study)
    assert list(tmp_path.iterdir()) == []


def test_a_study_that_runs_is_not_deleted(tmp_path: Path) -> None:
    study = a_study(tmp_path, "one", OWN)
    with StudyLock(study.path), pytest.raises(LockedError, match="one: in use by"):
        delete_study(study)
    assert study.board().stopped == "over"


def test_a_study_on_an_object_store_is_gone_there_and_here(s3: S3, tmp_path: Path) -> None:
    here = a_study(tmp_path / "made", "one", OWN)
    lab = s3.place("lab")
    storage = StudyFolder.at(lab, "one").storage()
    for file in here.path.iterdir():
        storage.upload(file, file.name)
    storage.write("units/0000-seed1/weights.safetensors", b"weights")
    study = StudyFolder.open(lab, "one")
    delete_study(study)
    assert s3.names() == []
    assert not study.path.exists()
