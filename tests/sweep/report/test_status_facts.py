from pathlib import Path

import pytest

from sweep.config.study_config import StudyConfig
from sweep.folder.lock import StudyLock
from sweep.folder.note import write_note
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.facts import report_facts
from sweep.report.status_facts import device_rows, status_facts
from sweep.study.events import EpochReported, StudyStarted, UnitStarted
from tests.studies import tiny_study
from tests.sweep.family import a_study
from tests.sweep.histories import added, epoch, write_journal


def test_what_status_shows_is_told_as_plain_values(tmp_path: Path) -> None:
    folder = a_study(tmp_path, "one", "1" * 32)
    write_note(folder, "quiet room")
    facts = status_facts(folder)
    shown = {name: facts[name] for name in ("study", "state", "why", "note", "task", "protocol", "warning")}
    assert shown == {
        "study": "one",
        "state": "over",
        "why": "",
        "note": "quiet room",
        "task": "icbhi",
        "protocol": "honest",
        "warning": None,
    }
    assert facts["configurations"] == {"complete": 1}
    assert facts["units"] == {"finished": 2}
    assert facts["budget"] == [{"limit": "configurations", "used": 1, "allowed": 1}]
    assert facts["best"]["mean"] == pytest.approx(0.65)
    assert (facts["best"]["configuration"], facts["best"]["seeds"], facts["drivers"]) == (0, 2, 1)
    assert "accounts" not in facts
    with StudyLock(folder.path):
        assert status_facts(folder)["state"] == "running"


def test_what_units_told_beside_their_epochs_is_told_with_how_many_told_it(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "one").create(StudyConfig.model_validate(tiny_study(1)))
    chunks = "batches trained in 4 chunks, as they did not fit whole"
    noted = [
        UnitStarted(0, 1),
        EpochReported(0, 1, {**epoch(1), "note": chunks}),
        UnitStarted(0, 2),
        EpochReported(0, 2, {**epoch(1), "note": "the checkpoint\nwas damaged"}),
        EpochReported(0, 2, {**epoch(2), "note": chunks}),
    ]
    write_journal(folder.journal, [StudyStarted((1, 2)), *added(0), *noted])
    assert status_facts(folder)["notes_of_units"] == [
        {"note": chunks, "units": 2},
        {"note": "the checkpoint\nwas damaged", "units": 1},
    ]
    facts = report_facts(folder, 0.0)
    assert facts["notes_of_units"][0] == f"told by 2 units: {chunks}"
    assert facts["answer"][-2:] == [
        f"Told by 2 units: {chunks}.",
        r"Told by 1 unit: the checkpoint\nwas damaged.",
    ]


def test_device_time_has_a_row_for_each_state_or_each_unit(tmp_path: Path) -> None:
    folder = a_study(tmp_path, "one", "1" * 32)
    (row,) = device_rows(folder)
    assert (row["state"], row["units"], row["lost_s"]) == ("finished", 2, 0)
    assert [row["unit"] for row in device_rows(folder, units=True)] == ["0000-seed1", "0000-seed2"]
