"""A study that goes on under another name, with all that belongs to it."""

import shutil
from pathlib import Path

import pytest
import yaml
from mlflow import MlflowClient

from evidence.ledger import SEALED
from sweep.config.study_config import StudyConfig
from sweep.driver.display import NoDisplay
from sweep.driver.export import export
from sweep.driver.preflight import preflight
from sweep.driver.rename import RenameError, rename_study, study_to_rename
from sweep.driver.report import report
from sweep.evaluation.finish import check_finishes
from sweep.evaluation.ledgers import Ledgers
from sweep.evaluation.unified_model import present_unified
from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.note import read_note, write_note
from sweep.folder.related import related_studies
from sweep.folder.study_folder import FolderError, StudyFolder, present_studies
from sweep.folder.working_copy import OPTUNA
from sweep.search.epoch_pruner import EpochPruner
from sweep.storage.object_store import ObjectStore
from sweep.tracking.tracker import database_uri
from tests.object_store import S3
from tests.studies import tiny_study
from tests.sweep.family import a_family, a_study, for_some_and_for_all

OWN = "1" * 32


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def first(tmp_path: Path) -> StudyFolder:
    return a_family(tmp_path / "studies", OWN)


def test_a_study_is_renamed_with_those_that_were_made_of_it(first: StudyFolder) -> None:
    journal = first.journal.read_bytes()
    renamed = rename_study(first, "night")
    assert present_studies(first.studies) == ["night", "night-finish", "night-folds", "third"]
    assert renamed == StudyFolder.open(first.studies, "night")
    assert renamed.journal.read_bytes() == journal
    assert renamed.journal_warning() is None
    assert not first.path.exists()
    for one, _ in related_studies(renamed):
        config = one.config()
        made_of = config.finishes or config.crosses
        assert made_of is not None
        assert (made_of.study, made_of.study_id) == ("night", OWN)
    check_finishes(StudyFolder.open(first.studies, "night-finish"), renamed)


def test_what_names_the_study_inside_names_it_as_it_is_called_now(
    first: StudyFolder, empty_tables: Path, tmp_path: Path
) -> None:
    export(first)
    report(first)
    (first.path / OPTUNA).write_text("an older one")
    write_note(first, "quiet room")
    shutil.copy(empty_tables, first.path / "mlflow.db")
    client = MlflowClient(database_uri(first.path))
    client.create_experiment("first", artifact_location=first.artifacts.absolute().as_uri())
    renamed = rename_study(first, "night")
    assert yaml.safe_load(renamed.best.read_text())["provenance"]["study"] == "night"
    assert "<title>night: respsweep report</title>" in (renamed.path / "report.html").read_text()
    assert '"study_name": "night"' in (renamed.path / OPTUNA).read_text()
    assert read_note(renamed) == "quiet room"
    experiment = MlflowClient(database_uri(renamed.path)).get_experiment_by_name("night")
    assert experiment is not None
    assert experiment.artifact_location == renamed.artifacts.absolute().as_uri()
    named = [path for path in renamed.path.rglob("*") if path.is_file() and path.suffix != ".db"]
    named = [path for path in named if str(first.path) in path.read_text(errors="replace")]
    assert named == []


def test_a_renamed_study_is_judged_by_the_name_under_which_it_began(tmp_path: Path) -> None:
    begun = StudyFolder.at(tmp_path, "first").create(StudyConfig.model_validate(tiny_study(1)))
    begun.write_provenance(dict(preflight(begun.config(), begun, NoDisplay()).provenance))
    twice = rename_study(rename_study(begun, "night"), "day")
    study = preflight(twice.config(), twice, NoDisplay())
    assert study.provenance["begun_as"] == "first"
    assert study.changes == []
    assert isinstance(study.pruner, EpochPruner)
    assert study.pruner.study_name == "first"


def test_readings_under_the_old_name_are_still_the_studys(tmp_path: Path) -> None:
    study = a_study(tmp_path / "studies", "read", OWN)
    told = {**dict.fromkeys(SEALED, "..."), "study": "read", "study_id": OWN}
    ledgers = Ledgers(study, "d" * 64, tmp_path / "cache")
    _, name = ledgers.seal(told, "d" * 64)
    ledgers.read({"study": "read", "study_id": OWN, "numbers": {}}, name)
    renamed = rename_study(study, "night")
    ledgers = Ledgers(renamed, "d" * 64, tmp_path / "cache")
    assert ledgers.faults() == []
    (renamed.path / "ledger.jsonl").unlink()
    assert any("lacks the line `read`" in fault for fault in ledgers.faults())


def test_a_name_that_is_taken_or_none_is_refused_and_nothing_changes(first: StudyFolder) -> None:
    with pytest.raises(RenameError, match="/third: is there already; take another name"):
        rename_study(first, "third")
    with pytest.raises(RenameError, match="/first: is called first already"):
        rename_study(first, "first")
    with pytest.raises(FolderError, match="use letters, digits, dots"):
        rename_study(first, "a/b")
    Path(first.studies, "free-finish").mkdir()
    with pytest.raises(RenameError, match="free-finish: is there already"):
        rename_study(first, "free")
    with pytest.raises(RenameError, match="belongs to the study first"):
        rename_study(StudyFolder.open(first.studies, "first-folds"), "other")
    assert present_studies(first.studies) == ["first", "first-finish", "first-folds", "third"]


def test_networks_for_all_patients_are_renamed_with_those_for_some_that_they_stand_beside(
    tmp_path: Path,
) -> None:
    finishing = for_some_and_for_all(tmp_path, OWN)
    with pytest.raises(RenameError, match=r"belongs to the study young-finish, .* rename that one"):
        rename_study(StudyFolder.open(tmp_path, "young-finish-unified"), "other")
    renamed = rename_study(finishing, "ward")
    assert present_studies(tmp_path) == ["ward", "ward-unified"]
    beside = present_unified(renamed)
    assert beside is not None
    assert beside.config().finishes == StudyFolder.open(tmp_path, "ward-unified").config().finishes
    finishes = beside.config().finishes
    assert finishes is not None
    assert (finishes.study, finishes.unified) == ("young", True)


@pytest.mark.parametrize("running", ["first", "third"])
def test_a_study_is_not_renamed_while_it_or_one_made_of_it_runs(first: StudyFolder, running: str) -> None:
    with StudyLock(Path(first.studies) / running), pytest.raises(LockedError, match=f"{running}: in use by"):
        rename_study(first, "night")
    assert present_studies(first.studies) == ["first", "first-finish", "first-folds", "third"]


def test_a_renaming_that_died_halfway_is_finished_by_the_same_call(
    first: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def dies(self: Path, target: Path) -> Path:
        if self.name == "first":
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", dies)
        with pytest.raises(KeyboardInterrupt):
            rename_study(first, "night")
    assert "first" in present_studies(first.studies)
    assert "night-folds" in present_studies(first.studies)
    folds = StudyFolder.open(first.studies, "night-folds")
    (folds.path / OPTUNA).write_text("an older one")
    rename_study(study_to_rename(first.studies, "first", "night"), "night")
    assert present_studies(first.studies) == ["night", "night-finish", "night-folds", "third"]
    assert folds.provenance()["begun_as"] == "first-folds"
    assert '"study_name": "night-folds"' in (folds.path / OPTUNA).read_text()


def test_a_study_that_has_moved_and_was_not_named_inside_is_named_by_the_same_call(
    first: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    export(first)
    with monkeypatch.context() as patch:
        patch.setattr("sweep.driver.rename._name_inside", _dies)
        with pytest.raises(KeyboardInterrupt):
            rename_study(first, "night")
    assert not first.path.exists()
    with pytest.raises(FolderError, match="no study 'first'"):
        study_to_rename(first.studies, "first", "third")
    renamed = rename_study(study_to_rename(first.studies, "first", "night"), "night")
    assert yaml.safe_load(renamed.best.read_text())["provenance"]["study"] == "night"
    assert renamed.provenance()["begun_as"] == "first"


def _dies(*_: object) -> None:
    raise KeyboardInterrupt


@pytest.fixture
def stored(s3: S3, tmp_path: Path) -> StudyFolder:
    """A study on an object store."""
    here = a_study(tmp_path / "made", "one", OWN)
    lab = s3.place("lab")
    storage = StudyFolder.at(lab, "one").storage()
    for file in here.path.iterdir():
        storage.upload(file, file.name)
    storage.write("predictions/0000-seed1.npy", b"answers")
    return StudyFolder.open(lab, "one")


@pytest.mark.parametrize("removed", [0, 1, 2])
def test_a_study_on_an_object_store_is_there_once_after_a_renaming_that_died_and_the_same_call(
    stored: StudyFolder, s3: S3, removed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0: the copy is whole, and nothing is removed; 1: the study file is; 2: something more."""
    remove, calls = ObjectStore.remove, []

    def dies(self: ObjectStore, name: str) -> None:
        # A lease tries the store out first.
        if not name.startswith(".probe"):
            calls.append(name)
            if len(calls) > removed:
                raise KeyboardInterrupt
        remove(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "remove", dies)
        with pytest.raises(KeyboardInterrupt):
            rename_study(stored, "two")
    assert [name for name in s3.names() if "/one/" in name]
    renamed = rename_study(study_to_rename(stored.studies, "one", "two"), "two")
    assert present_studies(stored.studies) == ["two"]
    assert not [name for name in s3.names() if "/one/" in name]
    assert renamed.storage().read("predictions/0000-seed1.npy") == b"answers"
    assert renamed.provenance()["begun_as"] == "one"
    assert not stored.path.exists()


def test_a_study_that_went_on_under_its_old_name_is_not_taken_for_its_copy(
    stored: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sweep.driver.rename.remove_stored", _dies)
        with pytest.raises(KeyboardInterrupt):
            rename_study(stored, "two")
    with stored.journal.open("ab") as journal:
        journal.write(b"more\n")
    with pytest.raises(RenameError, match="two: is there already; take another name"):
        rename_study(stored, "two")


def test_a_study_on_an_object_store_is_renamed_there(
    stored: StudyFolder, s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = stored.studies
    renamed = rename_study(stored, "two")
    assert present_studies(lab) == ["two"]
    assert not [name for name in s3.names() if "/one/" in name]
    assert renamed.storage().read("predictions/0000-seed1.npy") == b"answers"
    assert renamed.provenance()["begun_as"] == "one"
    assert not stored.path.exists()
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "elsewhere"))
    elsewhere = StudyFolder.open(lab, "two")
    assert elsewhere.board().stopped == "over"
    assert elsewhere.lock().held_by() is None
