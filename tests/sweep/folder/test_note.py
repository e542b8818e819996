import os
from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.folder.note import LONGEST, NoteError, read_note, write_note
from sweep.folder.study_folder import StudyFolder
from tests.object_store import S3
from tests.studies import tiny_study

CONFIG = StudyConfig.model_validate(tiny_study(1))


@pytest.fixture
def folder(tmp_path: Path) -> StudyFolder:
    return StudyFolder.at(tmp_path, "one").create(CONFIG)


def test_a_note_is_kept_replaced_and_removed(folder: StudyFolder) -> None:
    assert read_note(folder) == ""
    write_note(folder, "  first try,\nquiet room ")
    assert read_note(folder) == "first try,\nquiet room"
    write_note(folder, "second")
    assert read_note(folder) == "second"
    write_note(folder, "")
    assert read_note(folder) == ""
    assert sorted(os.listdir(folder.path)) == ["study.yaml"]


def test_a_note_that_cannot_be_is_refused_and_the_earlier_one_stays(folder: StudyFolder) -> None:
    write_note(folder, "kept")
    with pytest.raises(NoteError, match=rf"at most {LONGEST} characters, got {LONGEST + 1}"):
        write_note(folder, "a" * (LONGEST + 1))
    assert read_note(folder) == "kept"
    (folder.path / "note.txt").write_bytes(b"\xff")
    with pytest.raises(NoteError, match=r"note\.txt: is no text in UTF-8"):
        read_note(folder)


def test_a_note_on_an_object_store_is_there_for_every_machine(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "here"))
    write_note(StudyFolder.at(s3.place("lab"), "one"), "measured at night")
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "elsewhere"))
    assert read_note(StudyFolder.at(s3.place("lab"), "one")) == "measured at night"
