from pathlib import Path

import pytest

from sweep.folder.lock import StudyLock
from sweep.folder.note import write_note
from sweep.report.status_facts import device_rows, status_facts
from tests.sweep.family import a_study


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


def test_device_time_has_a_row_for_each_state_or_each_unit(tmp_path: Path) -> None:
    folder = a_study(tmp_path, "one", "1" * 32)
    (row,) = device_rows(folder)
    assert (row["state"], row["units"], row["lost_s"]) == ("finished", 2, 0)
    assert [row["unit"] for row in device_rows(folder, units=True)] == ["0000-seed1", "0000-seed2"]
