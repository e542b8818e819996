"""Studies on real Ray workers that Ctrl-C or a bug stops before their end, and that go on from there.

A disk that is full is in `test_driver.py` and in `tests/scenarios/test_faults.py`.
"""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from model.training.checkpoint import load_checkpoint
from model.training.step import Losses
from sweep.driver.driver import InterruptedStudyError
from sweep.driver.run import run_study
from sweep.execution.ray_session import RaySession
from sweep.folder.study_folder import StudyFolder
from sweep.study.units import Configuration, State
from sweep.worker.trainable import UnitTrainable
from tests.sweep.driver.driving import drive
from tests.sweep.driver.small_study import RECIPE, mlflow_states, optuna_states, scores_alone, study

pytestmark = pytest.mark.usefixtures("kept_ray")
LONG = {"recipe": {**RECIPE, "epochs": 200}, "pruner": {"name": "none"}}


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
def test_an_interrupted_study_says_how_to_go_on_and_leaves_nothing_running(
    tmp_path: Path, times: int
) -> None:
    interrupt_when(lambda: list(tmp_path.glob("stopped/units/*/checkpoint.pt")), times)
    with pytest.raises(
        InterruptedStudyError,
        match=r"interrupted after 0 complete configurations; go on with: respsweep run --resume stopped --studies",
    ) as stopped:
        run_study(study(**LONG), StudyFolder.find(tmp_path, "stopped"))
    assert stopped.value.at_once is (times == 2)
    folder = StudyFolder.open(tmp_path, "stopped")
    board = folder.board()
    assert board.stopped == "interrupted"
    assert {unit.state for unit in board.units()} == {State.WAITING}
    assert {unit.failures for unit in board.units()} == {0}
    assert all((folder.units / unit.id / "checkpoint.pt").exists() for unit in board.units() if unit.curve)
    assert not folder.best.exists()
    if times == 1:
        assert "RUNNING" not in mlflow_states(folder)


class Unhurried(UnitTrainable):
    """A unit that takes half a second for each batch at least, so that a pause meets it within an epoch."""

    def setup(self, config: dict[str, Any]) -> None:
        super().setup(config)
        training: Any = self._training
        compute = training._losses_and_gradients

        def slowly(*batch: Any) -> Losses:
            time.sleep(0.5)
            return compute(*batch)

        training._losses_and_gradients = slowly


@pytest.mark.slow
def test_a_study_that_was_interrupted_goes_on_in_its_epochs_and_ends_as_if_it_had_not_been(
    tmp_path: Path,
) -> None:
    asked = study(recipe={**RECIPE, "epochs": 2, "batch_size": 4}, budget={"configurations": 1})
    folder = StudyFolder.find(tmp_path / "cut", "one")
    ray = RaySession.start(asked.resources, "local", print, trainable=Unhurried)
    interrupt_when(lambda: list(folder.units.glob("*")), wait_s=3)
    with pytest.raises(InterruptedStudyError):
        drive(asked, folder, ray)
    (first, *_) = folder.board().units()
    assert (first.state, first.failures, first.curve) == (State.WAITING, 0, [])
    begun = load_checkpoint(folder.units / first.id / "checkpoint.pt")["begun"]
    assert begun["steps"] > 0
    cut = run_study(asked, folder)
    (configuration,) = cut.board().configurations
    assert {
        seed: [report["score"] for report in unit.curve] for seed, unit in configuration.units.items()
    } == {seed: scores_alone(cut, seed, tmp_path / f"alone{seed}") for seed in (1, 2)}
    # What was trained before the pause was not trained again.
    seconds = configuration.units[1].curve[0]["seconds"]
    assert seconds > begun["seconds"] > 0.5 * begun["steps"]
    assert optuna_states(cut) == ["COMPLETE"]
    # The configuration and its two seeds.
    assert mlflow_states(cut) == ["FINISHED"] * 3
    assert len(cut.board().drivers) == 2


def interrupt_when(ready: Callable[[], object], times: int = 1, wait_s: float = 0.0) -> None:
    """Ctrl-C, once or twice, as soon as something is there, or `wait_s` later."""

    def interrupt() -> None:
        while not ready():
            time.sleep(0.02)
        time.sleep(wait_s)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    threading.Thread(target=interrupt, daemon=True).start()


@pytest.mark.slow
def test_a_programming_error_comes_out_of_ray_as_it_is_and_the_study_can_go_on(tmp_path: Path) -> None:
    def stumble(configuration: Configuration, seed: int) -> dict[str, Any]:
        raise TypeError("a bug")

    one = study(recipe={**RECIPE, "epochs": 1}, seeds=[1], budget={"configurations": 1})
    folder = StudyFolder.find(tmp_path, "bug")
    with pytest.raises(TypeError, match=r"a bug") as raised:
        drive(one, folder, RaySession.start(one.resources, "local", print), unit_config=stumble)
    assert "stumble" in {entry.name for entry in raised.traceback}
    board = folder.board()
    assert board.stopped == "TypeError in the driver"
    assert [(unit.state, unit.failures) for unit in board.units()] == [(State.WAITING, 0)]
    assert run_study(one, folder).board().stopped == "over"
