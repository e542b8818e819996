"""What `run_study` takes up again, and what it refuses before anything has run; nothing is trained here."""

import contextlib
import errno
import itertools
import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from data.errors import UserError
from data.settings import ConfigError
from data.synthetic import write_breaths
from sweep.driver import run
from sweep.driver.display import ConsoleDisplay, Display
from sweep.driver.driver import InterruptedStudyError
from sweep.driver.executor import UnitSlots
from sweep.driver.export import export
from sweep.driver.run import run_study
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_session import RaySession
from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.study_folder import StudyFolder
from tests.object_store import S3
from tests.sweep.driver.driving import NoTracker, ScoresOnly
from tests.sweep.driver.small_study import SEARCH, study

pytestmark = pytest.mark.usefixtures("copied_tables", "own_cache")


@pytest.fixture
def no_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Studies are shown in no MLflow: to start the process that writes to it takes longer than all else they do."""
    monkeypatch.setattr(run, "WriterProcess", contextlib.nullcontext)
    monkeypatch.setattr(run, "_tracker", lambda *_: NoTracker())


@pytest.mark.slow
def test_a_study_that_is_over_takes_more_budget_and_more_seeds(tmp_path: Path) -> None:
    def run(display: Display | None = None, **changes: object) -> StudyFolder:
        folder = StudyFolder.find(tmp_path, "more")
        return run_study(study(**changes), folder, display=display, start_executor=lambda *_: ScoresOnly())

    run(budget={"configurations": 1})
    console = Console(record=True, width=200)
    folder = run(ConsoleDisplay(console), budget={"configurations": 2}, seeds=[1, 2, 3])
    assert [configuration.complete((1, 2, 3)) for configuration in folder.board().configurations] == [
        True
    ] * 2
    assert "changed: budget.configurations: 1 -> 2" in console.export_text()
    assert folder.config().seeds == (1, 2, 3)


def test_mlflow_has_the_report_and_the_best_recipe_of_a_study_on_an_object_store(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[StudyFolder] = []

    def once(folder: StudyFolder) -> Path:
        exported.append(folder)
        return export(folder)

    monkeypatch.setattr("sweep.driver.results.export", once)
    folder = StudyFolder.find(s3.place("lab"), "one")
    run_study(study(seeds=[1], budget={"configurations": 1}), folder, start_executor=lambda *_: ScoresOnly())
    assert exported == [folder]
    kept = {path.name for path in folder.artifacts.rglob("*") if path.is_file()}
    assert {"study.yaml", "best.yaml", "report.html"} <= kept
    assert "lab/one/report.html" in s3.names()
    assert "report.html" in {Path(name).name for name in s3.names() if name.startswith("lab/one/artifacts")}


def halted_after(epochs: int) -> ScoresOnly:
    """An executor that is told to stop when so many epochs have been reported."""
    left = itertools.count(epochs - 1, -1)

    def count() -> None:
        if next(left) == 0:
            os.kill(os.getpid(), signal.SIGTERM)

    return ScoresOnly(count)


@pytest.mark.slow
def test_a_halt_leaves_the_best_of_the_complete_configurations_as_a_file(tmp_path: Path) -> None:
    console = Console(record=True, width=200)

    def run(executor: ScoresOnly) -> StudyFolder:
        display, folder = ConsoleDisplay(console), StudyFolder.find(tmp_path, "halted")
        return run_study(study(), folder, display=display, start_executor=lambda *_: executor)

    # Of three configurations later ones score higher. Each unit has two epochs, and all first seeds come first; the
    # third of them, halted before it had ended, reports both epochs to the second driver again.
    folder = StudyFolder.find(tmp_path, "halted")
    with pytest.raises(InterruptedStudyError, match="after 0 complete configurations"):
        run(halted_after(6))
    assert not folder.best.exists()
    with pytest.raises(InterruptedStudyError, match="after 1 complete configuration;"):
        run(halted_after(5))
    assert yaml.safe_load(folder.best.read_text())["provenance"]["configuration"] == 0
    assert f"best complete configuration so far: {folder.best}" in console.export_text()
    run(ScoresOnly())
    assert yaml.safe_load(folder.best.read_text())["provenance"]["configuration"] == 2


@pytest.mark.usefixtures("no_mlflow")
def test_a_best_one_that_cannot_be_written_does_not_hide_why_a_study_was_halted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sweep.driver.export.write_whole", full)
    display, folder = ConsoleDisplay(Console(record=True, width=200)), StudyFolder.find(tmp_path, "full")
    with pytest.raises(InterruptedStudyError, match="after 1 complete configuration;"):
        run_study(study(), folder, display=display, start_executor=lambda *_: halted_after(9))
    assert "best.yaml: cannot be written: No space left on device" in display._console.export_text()


@pytest.mark.usefixtures("no_mlflow")
def test_another_search_space_is_refused_and_the_study_left_as_it_was(tmp_path: Path) -> None:
    short = {"seeds": [1], "budget": {"configurations": 1}}
    folder = run_study(
        study(**short), StudyFolder.find(tmp_path, "one"), start_executor=lambda *_: ScoresOnly()
    )
    before = {
        path.name: path.read_bytes() for path in folder.path.iterdir() if path.suffix in (".yaml", ".jsonl")
    }
    wider = {"smoothing.stage": {"type": "categorical", "choices": [None, 1, 2]}}
    with pytest.raises(ConfigError, match=r"search.smoothing.stage.choices: \[null, 1\] -> \[null, 1, 2\]"):
        run_study(study(**short, search={**SEARCH, **wider}, enqueue=[]), StudyFolder.find(tmp_path, "one"))
    assert before == {name: (folder.path / name).read_bytes() for name in before}


def test_a_second_driver_is_refused_with_the_first_ones_name(tmp_path: Path) -> None:
    folder = StudyFolder.at(tmp_path, "held").create(study())
    with StudyLock(folder.path) as lock:
        lock.sign()
        with pytest.raises(LockedError, match=rf"held: in use by process {os.getpid()} on "):
            run_study(study(), StudyFolder.find(tmp_path, "held"))


def test_a_tracking_server_that_is_away_is_told_before_ray_is_started(tmp_path: Path) -> None:
    def start(*arguments: object) -> RaySession:
        raise AssertionError("Ray was started")

    away = study(tracking_uri="http://127.0.0.1:1")
    with pytest.raises(UserError, match=r"^tracking server http://127\.0\.0\.1:1: no answer"):
        run_study(away, StudyFolder.find(tmp_path, "away"), start_executor=start)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_mlflow")
def test_ctrl_c_while_ray_starts_is_told_in_one_line_and_leaves_no_folder(tmp_path: Path) -> None:
    def start(*arguments: object) -> RaySession:
        raise KeyboardInterrupt

    folder = StudyFolder.find(tmp_path, "early")
    with pytest.raises(
        InterruptedStudyError, match=r"early: stopped before it began; nothing has run$"
    ) as stopped:
        run_study(study(), folder, start_executor=start)
    assert stopped.value.at_once
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_mlflow")
def test_a_subset_is_told_by_the_display_and_in_no_line_of_source(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    def start(*arguments: object) -> RaySession:
        raise ExecutorError("no")

    write_breaths(tmp_path / "breaths", patients=12, seed=0)
    for file in (tmp_path / "breaths").glob("301_1b1_*"):
        file.unlink()
    console = Console(record=True, width=300)
    with pytest.raises(ExecutorError):
        run_study(
            study(data=str(tmp_path / "breaths")),
            StudyFolder.find(tmp_path / "studies", "one"),
            display=ConsoleDisplay(console),
            start_executor=start,
        )
    lines = [line.rstrip() for line in console.export_text().splitlines()]
    assert (
        f"warning: {tmp_path / 'breaths'}: a subset: 35 of the 36 recordings in official_split.txt" in lines
    )
    assert [warning for warning in recwarn if warning.category is UserWarning] == []


class Gone:
    """An executor whose machines are gone once it has started."""

    stopped = False

    @property
    def slots(self) -> UnitSlots:
        raise ExecutorError("no machine is left")

    def run(self, *arguments: Any, **more: Any) -> None: ...

    def stop(self) -> None:
        self.stopped = True


def test_what_is_refused_after_mlflow_was_connected_leaves_no_thread_and_no_folder(tmp_path: Path) -> None:
    gone = Gone()
    with pytest.raises(ExecutorError, match="no machine is left"):
        run_study(study(), StudyFolder.find(tmp_path, "gone"), start_executor=lambda *_: gone)
    assert gone.stopped
    assert "tracking" not in {thread.name for thread in threading.enumerate()}
    assert list(tmp_path.iterdir()) == []
