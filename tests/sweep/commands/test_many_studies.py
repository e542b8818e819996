"""What the commands say of the studies of a place, and do to them."""

import json
from pathlib import Path

import pytest

from sweep.folder.study_folder import StudyFolder
from tests.sweep.command_line import finished_study, respsweep


def test_the_studies_of_a_place_are_listed(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    assert respsweep(monkeypatch, "list") == 0
    assert capfd.readouterr().out == "no studies in studies/ yet\n"
    finished_study()
    shown = {}
    for form in ("table", "json", "csv", "markdown", "latex"):
        assert respsweep(monkeypatch, "list", "--format", form) == 0
        shown[form] = capfd.readouterr().out
    assert shown["table"].splitlines()[1].split()[:6] == ["done", "over", "60.0", "±", "0.0", "0"]
    (one,) = json.loads(shown["json"])
    assert (one["study"], one["state"], one["score"], one["changed"][:4]) == ("done", "over", 0.6, "1970")
    assert shown["csv"].startswith("study,state,why,")
    assert "| done | over | 60.0 ± 0.0 |" in shown["markdown"]
    assert r"done & over & 60.0 $\pm$ 0.0" in shown["latex"]


def test_a_study_and_a_configuration_are_shown(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "show", "done") == 0
    assert "budget: configurations 1 of 1" in capfd.readouterr().out
    assert respsweep(monkeypatch, "show", "done", 0) == 0
    assert "configuration 0 of studies/done: rank 1 of 1 with all seeds" in capfd.readouterr().out
    assert respsweep(monkeypatch, "show", "done", 3) == 1
    assert "there is no configuration 3 among its 1" in capfd.readouterr().err


def test_a_note_is_kept_and_shown_wherever_the_study_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = finished_study()
    assert respsweep(monkeypatch, "note", "done") == 0
    assert capfd.readouterr().out == "studies/done: no note\n"
    assert respsweep(monkeypatch, "note", "done", "the <quiet> room") == 0
    assert capfd.readouterr().out == "the <quiet> room\n"
    for command in ("list", "show done", "status done"):
        assert respsweep(monkeypatch, *command.split()) == 0
        assert "the <quiet> room" in capfd.readouterr().out
    assert respsweep(monkeypatch, "report", "done") == 0
    assert '"note":"the \\u003cquiet> room"' in Path("studies/done/report.html").read_text()
    assert respsweep(monkeypatch, "note", "done", "") == 0
    assert not (StudyFolder.open("studies", "done").path / "note.txt").exists()
    assert folder.exists
