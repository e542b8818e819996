"""A study whose driver is killed (SIGKILL) again and again, at random moments, ends as if nothing had happened.

A grid, whose driver is killed among other faults, is in `test_faults.py`.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from model.training.checkpoint import latest_checkpoint
from sweep.folder.study_folder import StudyFolder
from sweep.report.device_time import device_times
from sweep.study.board import Board
from sweep.study.units import State
from sweep.tracking.tracker import database_uri
from tests.studies import tiny_study

pytestmark = pytest.mark.slow
KILLS = {"random": 2, "tpe": 2}
CONFIGURATIONS = 5
EPOCHS = 5
STUDY = tiny_study(
    EPOCHS,
    search={
        "patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5, "log": True},
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
    },
    budget={"configurations": CONFIGURATIONS},
)


def command(space: Path, studies: Path) -> list[str]:
    respsweep = Path(sys.executable).with_name("respsweep")
    return [str(respsweep), "run", str(space), "--name", "one", "--studies", str(studies)]


def run_to_the_end(space: Path, studies: Path) -> StudyFolder:
    done = subprocess.run(command(space, studies), capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return StudyFolder.open(studies, "one")


def lines_of(folder: StudyFolder) -> int:
    return folder.journal.read_bytes().count(b"\n") if folder.journal.exists() else 0


def run_and_kill(space: Path, studies: Path, chance: random.Random) -> bool:
    """Start the study, and kill its driver a few events later; False when it ended before."""
    folder = StudyFolder(studies / "one")
    until = lines_of(folder) + chance.randint(1, 12)
    driver = subprocess.Popen(
        command(space, studies), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    while driver.poll() is None and lines_of(folder) < until:
        time.sleep(0.01)
    time.sleep(chance.uniform(0, 0.5))
    if driver.poll() is not None:
        assert driver.stderr is not None
        assert driver.returncode == 0, driver.stderr.read()
        return False
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    return True


def outcome(board: Board) -> set[tuple[Any, ...]]:
    return {
        (*configuration.values.values(), unit.seed, unit.selected["score"] if unit.selected else unit.state)
        for configuration in board.configurations
        for unit in configuration.units.values()
    }


def check_that_no_epoch_is_lost(folder: StudyFolder) -> None:
    """Every epoch that was reported is in a checkpoint, so that only the one under way is trained again."""
    for unit in folder.board().units():
        if not unit.over and unit.curve:
            state, note = latest_checkpoint(folder.units / unit.id / "checkpoint.pt")
            assert note is None
            assert state is not None
            assert len(state["history"]) >= len(unit.curve)


def check_that_nothing_is_doubled_or_left(folder: StudyFolder) -> None:
    board = folder.board()
    storage = JournalStorage(JournalFileBackend(str(folder.path / "optuna.journal")))
    trials = optuna.load_study(study_name="one", storage=storage).trials
    states = Counter(trial.state.name for trial in trials)
    assert states["COMPLETE"] == len(board.configurations) == CONFIGURATIONS
    assert not {"RUNNING", "WAITING"} & set(states)
    client = mlflow.MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name("one")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id], max_results=1000)
    names = Counter(run.info.run_name for run in runs)
    assert set(names.values()) == {1}
    assert len(names) == 3 * CONFIGURATIONS
    assert {run.info.status for run in runs} == {"FINISHED"}
    for run in runs:
        if "patch_mix.temperature" in run.data.params and "seed" in run.data.params:
            history = client.get_metric_history(run.info.run_id, "score")
            assert sorted(point.step for point in history) == [*range(1, 1 + EPOCHS)]


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("sampler", KILLS)
def test_a_study_ends_as_if_its_driver_had_never_been_killed(
    tmp_path: Path, sampler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RESPSWEEP_CACHE", str(tmp_path / "cache"))
    space = tmp_path / "space.yaml"
    space.write_text(yaml.safe_dump({**STUDY, "sampler": {"name": sampler}}))
    chance = random.Random(sampler)
    folder = StudyFolder(tmp_path / "killed" / "one")
    kills = 0
    while kills < KILLS[sampler] and run_and_kill(space, folder.path.parent, chance):
        kills += 1
        check_that_no_epoch_is_lost(folder)
    killed = run_to_the_end(space, folder.path.parent).board()
    assert kills == KILLS[sampler]
    assert all(unit.state is State.FINISHED for unit in killed.units())
    assert all(unit.failures == 0 for unit in killed.units())
    check_that_nothing_is_doubled_or_left(folder)
    if sampler == "tpe":
        assert len(killed.units()) == 2 * CONFIGURATIONS
    else:
        assert outcome(killed) == outcome(run_to_the_end(space, tmp_path / "whole").board())
    lost = sum(account.lost_s for account in device_times(killed, 0.0))
    held = sum(account.held_s for account in device_times(killed, 0.0))
    print(json.dumps({"sampler": sampler, "kills": kills, "device time lost": f"{lost:.1f} of {held:.1f} s"}))
