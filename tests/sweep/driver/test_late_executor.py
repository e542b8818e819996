"""A study that is over starts nothing that could train, and leaves all the same what it is to leave."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from mlflow import MlflowClient
from rich.console import Console

from sweep.driver.display import ConsoleDisplay
from sweep.driver.late_executor import LateExecutor, was_over
from sweep.driver.run import run_study
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.events import StudyStarted, StudyStopped
from sweep.tracking.tracker import database_uri
from tests.sweep.driver.driving import ScoresOnly
from tests.sweep.driver.small_study import study

pytestmark = pytest.mark.usefixtures("copied_tables", "own_cache")


@pytest.mark.slow
def test_a_study_that_is_over_says_so_starts_nothing_and_writes_what_is_missing(tmp_path: Path) -> None:
    console, started = Console(record=True, width=200), []

    def start(*_: object) -> ScoresOnly:
        started.append(1)
        return ScoresOnly()

    def run() -> StudyFolder:
        config = study(seeds=[1], budget={"configurations": 1})
        folder = StudyFolder.find(tmp_path, "one")
        return run_study(config, folder, display=ConsoleDisplay(console), start_executor=start)

    folder = run()
    assert started == [1]
    over = (
        f"{folder.place} is over, and nothing is left to do; for more: respsweep run --resume one --studies "
    )
    assert over not in console.export_text()
    (folder.path / "report.html").unlink()
    folder.best.unlink()
    (folder.path / "mlflow.db").unlink()
    run()
    assert started == [1]
    said = console.export_text()
    assert over in said
    assert "--set budget.configurations=2" in " ".join(said.split())
    assert "units at a time" not in said
    assert folder.best.exists()
    assert (folder.path / "report.html").exists()
    client = MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name("one")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.run_name for run in runs} == {"configuration 0", "0000-seed1"}
    assert folder.board().stopped == "over"


def test_a_study_that_has_units_to_train_after_all_gets_its_executor(tmp_path: Path) -> None:
    real = ScoresOnly()
    late = LateExecutor(lambda: real, lambda: pytest.fail("it is not over"))
    late.stop()
    assert (late.slots.here, real.stopped) == (0, 0)
    coordinator: Any = SimpleNamespace(over=False, next_unit=lambda: None)
    late.run(coordinator, lambda *_: {}, tmp_path, lambda: None)
    late.stop()
    assert (late.slots.here, real.stopped) == (1, 1)


def test_only_the_settings_with_which_a_study_was_over_leave_nothing_to_do() -> None:
    board, before = Board((1,), [StudyStarted((1,)), StudyStopped("over")]), study(seeds=[1])
    assert was_over(board, before, study(seeds=[1]))
    assert was_over(board, before, study(seeds=[1], tracking_uri="http://127.0.0.1:5000"))
    assert not was_over(board, before, study(seeds=[1, 2]))
    assert not was_over(board, before, study(seeds=[1], budget={"configurations": 9}))
    board.apply(StudyStarted((1,)))
    assert not was_over(board, before, before)
