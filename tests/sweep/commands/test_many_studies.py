"""What the commands say of the studies of a place, and do to them."""

import io
import json
import os
import sys
from pathlib import Path

import pytest

from sweep.driver.display import Display
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import StudyFolder
from tests.sweep.command_line import STUDY, finished_study, respsweep, written
from tests.sweep.family import a_study


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


def test_a_study_is_renamed(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    finished_study()
    assert respsweep(monkeypatch, "rename", "done", "night") == 0
    assert capfd.readouterr().out == "studies/done is now studies/night\n"
    assert respsweep(monkeypatch, "leaderboard", "night") == 0
    assert respsweep(monkeypatch, "leaderboard", "done") == 1
    assert "no study 'done' in studies/; there is night" in capfd.readouterr().err


@pytest.mark.parametrize(("answer", "gone"), [("y\n", True), ("n\n", False)])
def test_a_study_is_deleted_after_asking(
    answer: str, gone: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = finished_study()
    asked = io.StringIO(answer)
    monkeypatch.setattr(asked, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", asked)
    assert respsweep(monkeypatch, "delete", "done") == (0 if gone else 1)
    assert capfd.readouterr().out.startswith("goes: studies/done, 3 files, 0.00 GiB: all scores")
    assert folder.exists != gone


def test_nobody_is_asked_where_nobody_is(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = finished_study()
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert respsweep(monkeypatch, "delete", "done") == 1
    assert (
        "error: delete done: asks first, and nobody is there to answer; give --yes" in capfd.readouterr().err
    )
    assert folder.exists
    assert respsweep(monkeypatch, "delete", "done", "--yes") == 0
    assert capfd.readouterr().out.endswith("deleted: studies/done\n")
    assert not folder.exists


def test_a_study_that_runs_is_refused_before_anybody_is_asked(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = finished_study()
    asked = io.StringIO("y\n")
    monkeypatch.setattr(asked, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stdin", asked)
    with StudyLock(folder.path):
        assert respsweep(monkeypatch, "delete", "done") == 1
    printed = capfd.readouterr()
    assert printed.err.startswith(f"error: studies/done: in use by process {os.getpid()} on ")
    assert printed.err.endswith("; wait for its end or stop it there, then delete it\n")
    assert printed.out == ""
    assert asked.tell() == 0
    assert folder.exists


def test_two_studies_are_compared(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    a_study("studies", "one", "1" * 32)
    a_study("studies", "two", "2" * 32, task="1-2").journal.unlink()
    assert respsweep(monkeypatch, "compare", "one", "two") == 0
    printed = capfd.readouterr().out
    assert printed.startswith("NOT COMPARABLE: task: icbhi in studies/one, 1-2 in studies/two\n")
    assert "A: studies/one: no. 0, score 65.0 ± 7.1 % over 2 seeds" in printed
    assert "task                  icbhi  1-2" in printed


def test_a_study_that_nobody_runs_is_not_watched_for_long(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    finished_study()
    assert respsweep(monkeypatch, "watch", "done") == 0
    first, last = capfd.readouterr().out.splitlines()
    assert "units done 2, running 0" in first
    assert last.startswith("studies/done: over, since ")
    assert respsweep(monkeypatch, "watch", "done", "--log", "json") == 0
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("options", "printed", "told"),
    [
        ((), ["said", "warning: warned"], ""),
        (("--quiet",), [], "warning: warned\n"),
        (("--log", "json"), ['{"event": "Warning", "line": "warned"'], ""),
    ],
)
def test_a_run_prints_as_much_as_it_is_asked_to(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    printed: list[str],
    told: str,
) -> None:
    def run_search(config: object, folder: object, address: str, display: Display, **other: object) -> None:
        display.say("said")
        display.warn("warned")

    monkeypatch.setattr("sweep.driver.run_folds.run_search", run_search)
    space = written("study.yaml", STUDY)
    assert respsweep(monkeypatch, "run", space, "--name", "one", *options) == 0
    output = capfd.readouterr()
    lines = output.out.splitlines()
    result = [line for line in lines if line.startswith(("best configuration", "next,", "again:"))]
    assert len(result) == (0 if "json" in options else 3)
    assert [line[: len(begin)] for line, begin in zip(lines, printed, strict=False)] == printed
    assert len(lines) == len(printed) + len(result)
    assert output.err == told
