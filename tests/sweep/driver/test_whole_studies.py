"""Whole studies on real Ray workers, to the last unit; a unit ends well or badly, and the study goes on."""

import json
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from sweep.driver.run import run_study
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import NoConfigurationError
from sweep.study.units import State
from tests.ray_heads import RayHead
from tests.sweep.driver.small_study import RECIPE, optuna_states, scores_alone, study

pytestmark = pytest.mark.usefixtures("kept_ray")


@pytest.mark.slow
def test_a_pruned_configuration_gets_no_further_seed(tmp_path: Path) -> None:
    # A threshold above any score prunes everything after its first epoch.
    hopeless = {"name": "threshold", "arguments": {"lower": 2.0}}
    with pytest.raises(
        NoConfigurationError, match=r"no configuration has finished all 2 seeds.*units: 3 pruned$"
    ):
        run_study(study(pruner=hopeless), StudyFolder.find(tmp_path, "hopeless"))
    folder = StudyFolder.open(tmp_path, "hopeless")
    units = folder.board().units()
    assert [(unit.seed, unit.state, len(unit.curve)) for unit in units] == [(1, State.PRUNED, 1)] * 3
    assert optuna_states(folder) == ["PRUNED"] * 3
    assert not folder.best.exists()


@pytest.mark.slow
def test_a_unit_that_fails_ends_its_configuration_and_not_the_study(tmp_path: Path) -> None:
    rates = {"type": "categorical", "choices": [1e-3, 1e3]}
    mixed = study(
        recipe={**RECIPE, "optimiser": {"name": "sgd", "weight_blend": 0.0}, "epochs": 1},
        search={"optimiser.learning_rate": rates},
        enqueue=[{"optimiser.learning_rate": 1e3}, {"optimiser.learning_rate": 1e-3}],
        budget={"configurations": 2},
    )
    folder = run_study(mixed, StudyFolder.find(tmp_path, "mixed"))
    failed, survived = folder.board().configurations
    assert [unit.state for unit in failed.units.values()] == [State.FAILED]
    assert "the training loss is" in (failed.units[1].reason or "")
    assert survived.complete((1, 2))
    assert optuna_states(folder) == ["FAIL", "COMPLETE"]
    lines = [json.loads(line) for line in folder.journal.read_text().splitlines()]
    assert [line["event"] for line in lines if line.get("configuration") == 0][-1] == "UnitFailed"


@pytest.mark.slow
def test_a_unit_whose_worker_is_killed_goes_on_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, kept_ray: RayHead
) -> None:
    one = study(recipe={**RECIPE, "epochs": 4}, seeds=[1], budget={"configurations": 1})
    killed: list[int] = []
    killer = threading.Thread(target=kill_one_worker, args=(tmp_path, kept_ray, killed), daemon=True)
    killer.start()
    folder = run_study(one, StudyFolder.find(tmp_path / "killed", "one"))
    killer.join(60)
    assert len(killed) == 1
    (unit,) = folder.board().units()
    assert (unit.state, len(unit.attempts)) == (State.FINISHED, 2)
    assert [report["score"] for report in unit.curve] == scores_alone(folder, 1, tmp_path / "alone")


def kill_one_worker(studies: Path, ray: RayHead, killed: list[int]) -> None:
    """End the process that trains on this Ray, once it has saved a checkpoint."""
    while not list(studies.glob("killed/*/units/*/checkpoint.pt")):
        time.sleep(0.02)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            is_worker = process.joinpath("cmdline").read_bytes().startswith(b"ray::")
            is_ours = f"RAY_TMPDIR={ray.folder}".encode() in process.joinpath("environ").read_bytes()
            trains = b"Trainable" in process.joinpath("cmdline").read_bytes()
        except OSError:
            continue
        if is_worker and is_ours and trains:
            os.kill(int(process.name), signal.SIGKILL)
            killed.append(int(process.name))
            return
