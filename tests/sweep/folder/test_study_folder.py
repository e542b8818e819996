import contextlib
import os
from pathlib import Path
from typing import Any

import pytest

from data.settings import ConfigError, parse
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import FolderError, StudyFolder
from sweep.storage.storage import StorageError
from sweep.study.events import ConfigurationAdded, StudyStarted, UnitFinished, UnitStarted
from sweep.study.journal import Journal, JournalError
from tests.disks import disk_of
from tests.object_store import S3
from tests.sweep.histories import write_journal

CONTENT: dict[str, Any] = {
    "search": {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.sigma": {"type": "float", "low": 1, "high": 5, "when": {"smoothing.stage": [1]}},
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
    },
    "enqueue": [{"smoothing.stage": None, "patch_mix.axes": ["time"]}],
    "recipe": {"optimiser": {"learning_rate": 1e-05}},
    "data": {"patients": 12},
    "seeds": [3, 4],
}
CONFIG = parse(StudyConfig, CONTENT, "study")


def test_a_study_is_read_back_as_it_was_resolved(tmp_path: Path) -> None:
    created = StudyFolder.at(tmp_path / "studies", "first").create(CONFIG)
    opened = StudyFolder.open(tmp_path / "studies", "first")
    assert opened == created
    assert opened.name == "first"
    assert opened.config() == CONFIG.resolved()
    assert opened.config().space.recipe({}) == CONFIG.space.recipe({})
    assert "n_warmup_steps" not in created.study_file.read_text()
    assert "tracking_uri: null" in created.study_file.read_text()


def test_later_defaults_do_not_change_a_study(tmp_path: Path) -> None:
    written = StudyFolder.at(tmp_path, "first").create(CONFIG).config().recipe
    assert written["optimiser"]["learning_rate"] == 1e-05
    assert written["epochs"] == 50


def test_a_studies_folder_may_lie_in_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = StudyFolder.find("~/lab", "first").create(CONFIG)
    assert folder.path == tmp_path / "lab" / "first"
    assert StudyFolder.open(Path("~/lab"), "first") == folder
    assert folder.studies == str(tmp_path / "lab")
    with pytest.raises(FolderError, match=r"no study 'second' in ~/lab/; there is first"):
        StudyFolder.open("~/lab", "second")


@pytest.mark.parametrize("result", ["best.yaml", "optuna.journal", "units/0000-seed1"])
@pytest.mark.parametrize("journal", ["empty", "not there"])
def test_a_study_that_has_run_is_not_read_without_its_journal(
    tmp_path: Path, result: str, journal: str
) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG)
    if journal == "empty":
        folder.journal.touch()
    assert folder.events() == [], "it has not begun"
    (folder.path / result).parent.mkdir(exist_ok=True)
    (folder.path / result).touch()
    with pytest.raises(
        JournalError, match=rf"journal\.jsonl: {journal}, although .* left {result};.* from a copy"
    ):
        folder.board()


def test_a_name_is_taken_once(tmp_path: Path) -> None:
    StudyFolder.at(tmp_path, "first").create(CONFIG)
    with pytest.raises(FolderError, match=r"first is there and is no study; take another name"):
        StudyFolder.at(tmp_path, "first").create(CONFIG)


def test_a_study_that_met_a_full_disk_leaves_its_name_free(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "first")
    with disk_of(100), pytest.raises(FolderError, match=r"first: cannot be made: File too large"):
        folder.create(CONFIG)
    assert list(tmp_path.iterdir()) == []
    assert folder.create(CONFIG).config() == CONFIG.resolved()


def test_a_study_that_was_interrupted_while_it_was_made_leaves_its_name_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*paths: Path) -> None:
        raise KeyboardInterrupt

    folder = StudyFolder.at(tmp_path, "first")
    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", interrupt)
        with pytest.raises(KeyboardInterrupt):
            folder.create(CONFIG)
    assert list(tmp_path.iterdir()) == []
    folder.create(CONFIG)


def test_a_working_copy_outlives_a_study_that_could_not_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path))
    folder = StudyFolder.at("s3://bucket/studies", "first")
    folder.path.mkdir(parents=True)
    with disk_of(100), pytest.raises(FolderError, match="cannot be made: File too large"):
        folder.create(CONFIG)
    assert list(folder.path.iterdir()) == []


@pytest.mark.parametrize("name", ["", "../first", "a/b", ".hidden", "two words", "-x"])
def test_a_name_that_is_no_folder_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(FolderError, match=r"name of a study: use letters, digits, .*, got "):
        StudyFolder.find(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_where_the_studies_should_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "studies").write_text("")
    with pytest.raises(FolderError, match=r"studies/first: cannot be made: Not a directory"):
        StudyFolder.at(tmp_path / "studies", "first").create(CONFIG)


def test_names_count_on_up_to_a_free_one(tmp_path: Path) -> None:
    def names(studies: Path) -> list[str]:
        return [folder.name for folder in StudyFolder.numbered(studies, "quickstart")]

    assert names(tmp_path) == ["quickstart"]
    (tmp_path / "quickstart").mkdir()
    (tmp_path / "quickstart-2").mkdir()
    assert names(tmp_path) == ["quickstart", "quickstart-2", "quickstart-3"]


def test_a_study_that_is_not_there_is_answered_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(FolderError, match=r"no study 'first' in .*; there is none yet"):
        StudyFolder.open(tmp_path, "first")
    StudyFolder.at(tmp_path, "second").create(CONFIG)
    StudyFolder.at(tmp_path, "third").create(CONFIG)
    with pytest.raises(FolderError, match=r"no study 'first' in .*; there are second, third"):
        StudyFolder.open(tmp_path, "first")


def test_a_single_study_is_counted_as_one(tmp_path: Path) -> None:
    StudyFolder.at(tmp_path, "second").create(CONFIG)
    with pytest.raises(FolderError, match=r"no study 'first' in .*; there is second$"):
        StudyFolder.open(tmp_path, "first")


@pytest.mark.parametrize(
    ("place", "studies"),
    [
        ("studies/first", "studies"),
        ("studies/first/", "studies"),
        ("/mnt/lab/first", "/mnt/lab"),
        ("/first", "/"),
        ("s3://lab/studies/first", "s3://lab/studies"),
    ],
)
def test_a_place_given_as_a_name_is_answered_with_its_name(tmp_path: Path, place: str, studies: str) -> None:
    StudyFolder.at(tmp_path, "first").create(CONFIG)
    for given in (StudyFolder.open, StudyFolder.find):
        with pytest.raises(
            FolderError, match=f"{place}'.*; that is a place: its name is first, in {studies}$"
        ):
            given(tmp_path, place)


def test_a_file_given_as_a_name_is_told_to_be_one(tmp_path: Path) -> None:
    checkpoint = tmp_path / "run"
    checkpoint.write_bytes(b"")
    for given in (StudyFolder.open, StudyFolder.find):
        with pytest.raises(FolderError, match=r"run'.*; that is a file, and a study is a folder$"):
            given(tmp_path / "studies", str(checkpoint))


def test_a_store_that_goes_away_before_its_studies_are_listed_is_told_in_one_line(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    pull = StudyFolder.pull
    with contextlib.ExitStack() as away:

        def pull_at_last(folder: StudyFolder, **how: bool) -> None:
            pull(folder, **how)
            away.enter_context(s3.away())

        monkeypatch.setattr(StudyFolder, "pull", pull_at_last)
        with pytest.raises(StorageError, match=r"^s3://.*/lab: cannot be read: "):
            StudyFolder.open(s3.place("lab"), "first")


def test_the_board_is_what_the_journal_tells(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG)
    journal = Journal(folder.journal)
    journal.write(StudyStarted((3, 4)))
    journal.write(ConfigurationAdded(0, {"patch_mix.axes": ("time",)}))
    journal.write(UnitStarted(0, 3))
    assert folder.board().seeds == (3, 4)
    assert folder.board().configurations[0].values == {"patch_mix.axes": ("time",)}
    journal.write(UnitFinished(0, 3, 7))
    journal.close()
    with pytest.raises(JournalError, match=r"journal\.jsonl:5: 0000-seed3 reported 0 epochs"):
        folder.board()


def test_a_study_that_never_ran_has_an_empty_board(tmp_path: Path) -> None:
    assert StudyFolder.at(tmp_path, "first").create(CONFIG).board().configurations == []


def test_provenance_is_read_back(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG)
    provenance = {"data_hash": "0123", "commit": None, "versions": {"torch": "2.11.0"}}
    folder.write_provenance(provenance)
    assert folder.provenance() == provenance


def test_what_is_missing_in_a_provenance_that_was_edited_is_told_by_file_and_name(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG)
    folder.write_provenance({"data_hash": "0123", "commit": None})
    assert folder.provenance().get("study_id") is None
    with pytest.raises(
        ConfigError,
        match=r"provenance\.yaml: has no study_id, which a study writes .* but data_hash, commit; put that line back, ",
    ):
        folder.provenance()["study_id"]


def test_everything_of_a_study_lies_in_its_folder(tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "first")
    paths = [
        folder.study_file,
        folder.journal,
        folder.units,
        folder.artifacts,
        folder.best,
        folder.provenance_file,
    ]
    assert {path.parent for path in paths} == {tmp_path / "first"}
    assert len(set(paths)) == len(paths)


def test_studies_may_lie_below_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    created = StudyFolder.at("~/studies", "first").create(CONFIG)
    assert created.path == tmp_path / "studies" / "first"
    assert StudyFolder.open(tmp_path / "studies", "first") == created
    with pytest.raises(FolderError, match="there is first"):
        StudyFolder.open("~/studies", "second")


@pytest.mark.parametrize(("studies", "name"), [("stu\0dies", "first"), ("studies", "fi\0rst")])
def test_a_null_character_is_refused_in_words(studies: str, name: str) -> None:
    with pytest.raises(FolderError, match=r"no path has a null character"):
        StudyFolder.find(studies, name)


@pytest.mark.parametrize("study_id", ["5", "[a]", '"\'; x"', "{a: 1}"])
def test_a_provenance_with_another_kind_of_id_is_refused_by_name(tmp_path: Path, study_id: str) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG)
    folder.provenance_file.write_text(f"study_id: {study_id}")
    with pytest.raises(ConfigError, match=r"provenance\.yaml: study_id: must be letters and digits"):
        folder.provenance()


def test_a_study_file_that_names_another_objective_than_the_journal_is_refused(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "first").create(CONFIG.model_copy(update={"objective": "any_abnormal"}))
    write_journal(folder.journal, [StudyStarted((3, 4), objective="any_abnormal")])
    assert folder.board().objective == "any_abnormal"
    folder.write_config(CONFIG)
    with pytest.raises(
        JournalError, match=r"ranked by the objective any_abnormal, and .*study.yaml names score; put"
    ):
        folder.board()
