import errno
from pathlib import Path

import pandas as pd
import pytest

from sweep.config.study_config import StudyConfig
from sweep.folder.lock import StudyLock
from sweep.folder.note import write_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.plain_console import as_text
from sweep.report.study_list import list_studies, studies_frame, studies_table
from sweep.study.events import Event, StudyStarted, StudyStopped
from tests.object_store import S3
from tests.studies import tiny_study
from tests.sweep.family import a_study
from tests.sweep.histories import added, timed, trained, write_journal


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    """One that is over, one that was interrupted later, one that has not begun, and one that is broken."""
    over = a_study(tmp_path, "over", "1" * 32)
    write_note(over, "the quiet\nroom")
    paused = StudyFolder.at(tmp_path, "paused").create(StudyConfig.model_validate(tiny_study(1)))
    events = [StudyStarted((1, 2)), *added(0, 1), *trained(0, 1, 0.6), StudyStopped("interrupted")]
    write_journal(paused.journal, timed(*events, start=1.8e9))
    StudyFolder.at(tmp_path, "fresh").create(StudyConfig.model_validate(tiny_study(1)))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "study.yaml").write_text("seeds: 3")
    return tmp_path


def test_studies_are_listed_with_the_one_that_changed_last_first(studies: Path) -> None:
    frame = studies_frame(list_studies(studies))
    assert frame["study"].tolist() == ["paused", "over", "broken", "fresh"]
    assert frame["state"].tolist() == ["paused", "over", "cannot be read", "not begun"]
    assert frame["score"].dropna().tolist() == [pytest.approx(0.65)]
    assert frame["best"].dropna().tolist() == [0]
    assert frame[["configurations", "units"]].values.tolist() == [[2, 1], [1, 2], [0, 0], [0, 0]]
    assert frame["changed"].dropna().tolist()[0] == pd.Timestamp(1.8e9 + 6, unit="s", tz="UTC")
    assert "seeds" in frame["why"].tolist()[2]
    assert frame["note"].tolist()[1] == "the quiet\nroom"
    assert studies_frame([])["study"].tolist() == []


def test_a_study_that_runs_is_said_to_run(studies: Path) -> None:
    with StudyLock(studies / "paused") as lock:
        lock.sign()
        assert str(list_studies(studies)[0].state).startswith("running: process ")


def test_a_study_that_another_user_keeps_to_himself_does_not_end_the_list(
    studies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = StudyFolder.events

    def refused(folder: StudyFolder) -> list[Event]:
        if folder.name == "over":
            raise PermissionError(errno.EACCES, "Permission denied", str(folder.journal))
        return read(folder)

    monkeypatch.setattr(StudyFolder, "events", refused)
    troubles = {one.name: one.trouble for one in list_studies(studies)}
    assert troubles.pop("over") == f"{studies}/over/journal.jsonl: Permission denied"
    assert [name for name, trouble in troubles.items() if trouble is None] == ["paused", "fresh"]


@pytest.mark.parametrize("width", [60, 80, 120, 160])
def test_nothing_of_the_list_is_lost_at_any_width(studies: Path, width: int) -> None:
    text = as_text(studies_table(list_studies(studies)), width)
    assert max(map(len, text.splitlines())) <= width
    words = " ".join(text.split())
    for expected in ("paused: interrupted", "not begun", "65.0 ± 7.1", "the quiet room", "cannot be read"):
        assert expected in words


def test_studies_on_an_object_store_are_listed(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    here = a_study(tmp_path / "made", "one", "1" * 32)
    storage = StudyFolder.at(s3.place("lab"), "one").storage()
    for file in here.path.iterdir():
        storage.upload(file, file.name)
    (one,) = list_studies(s3.place("lab"))
    assert (one.name, str(one.state), one.units) == ("one", "over", 2)
