"""Whole studies on real Ray workers, from the command line to best.yaml."""

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console

from data.errors import UserError
from data.settings import ConfigError
from data.synthetic import write_breaths
from model.training.recipe import read_recipe
from sweep.config.study_config import StudyConfig
from sweep.driver.display import ConsoleDisplay, Display
from sweep.driver.driver import InterruptedStudyError, UnitSlots
from sweep.driver.export import ExportError
from sweep.driver.run import run_study
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_session import RaySession
from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.journal import Journal
from sweep.study.units import Configuration, State
from sweep.tracking.tracker import database_uri
from tests.servers import RayHead
from tests.studies import TINY_RECIPE
from tests.sweep.driver.driving import ScoresOnly, drive

RECIPE = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3, "weight_blend": 0.0},
    "epochs": 3,
}
STUDY: dict[str, Any] = {
    "data": {"patients": 12, "seed": 0},
    "recipe": RECIPE,
    "search": {
        "patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5, "log": True},
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
    },
    "enqueue": [{"patch_mix.temperature": 0.2, "smoothing.stage": 1}],
    "seeds": [1, 2],
    "budget": {"configurations": 3},
    "racing": {"name": "none"},
}


def study(**changes: object) -> StudyConfig:
    return StudyConfig.model_validate({**STUDY, **changes})


@pytest.fixture(autouse=True)
def _kept_ray(kept_ray: RayHead) -> None: ...


def optuna_states(folder: StudyFolder) -> list[str]:
    storage = JournalStorage(JournalFileBackend(str(folder.path / "optuna.journal")))
    return [trial.state.name for trial in optuna.load_study(study_name=folder.name, storage=storage).trials]


def test_a_study_ends_with_every_seed_trained_a_best_file_and_mlflow_runs(tmp_path: Path) -> None:
    console = Console(record=True, width=200)
    folder = run_study(
        study(pruner={"name": "none"}), StudyFolder.find(tmp_path, "whole"), display=ConsoleDisplay(console)
    )

    board = folder.board()
    assert [configuration.complete((1, 2)) for configuration in board.configurations] == [True] * 3
    assert board.configurations[0].values == {"patch_mix.temperature": 0.2, "smoothing.stage": 1}
    assert all([report["epoch"] for report in unit.curve] == [1, 2, 3] for unit in board.units())
    assert optuna_states(folder) == ["COMPLETE"] * 3
    assert not list(folder.units.glob("*"))
    assert "score %" in console.export_text()

    best = board.best()
    assert best is not None
    exported = yaml.safe_load(folder.best.read_text())
    assert exported["provenance"]["configuration"] == best.number
    summary = best.summary()
    assert summary is not None
    assert exported["provenance"]["score"] == {"mean": summary.mean, "sd": summary.sd, "seeds": 2}
    recipe = read_recipe(folder.best)
    assert recipe.patch_mix.temperature == best.values["patch_mix.temperature"]
    assert recipe.digest() == exported["provenance"]["recipe_digest"]

    client = mlflow.MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name("whole")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    parents = [run for run in runs if "score_mean" in run.data.metrics]
    assert (len(parents), len(runs)) == (3, 3 + 6)
    assert {run.info.status for run in runs} == {"FINISHED"}
    means = sorted(configuration.summary().mean for configuration in board.configurations)  # type: ignore[union-attr]
    assert sorted(run.data.metrics["score_mean"] for run in parents) == pytest.approx(means)


def test_a_pruned_configuration_gets_no_further_seed(tmp_path: Path) -> None:
    # A threshold above any score prunes everything after its first epoch.
    hopeless = {"name": "threshold", "arguments": {"lower": 2.0}}
    with pytest.raises(ExportError, match=r"no configuration has finished all 2 seeds.*units: 3 pruned$"):
        run_study(study(pruner=hopeless), StudyFolder.find(tmp_path, "hopeless"))
    folder = StudyFolder.open(tmp_path, "hopeless")
    units = folder.board().units()
    assert [(unit.seed, unit.state, len(unit.curve)) for unit in units] == [(1, State.PRUNED, 1)] * 3
    assert optuna_states(folder) == ["PRUNED"] * 3
    assert not folder.best.exists()


def test_a_unit_that_fails_ends_its_configuration_and_not_the_study(tmp_path: Path) -> None:
    rates = {"type": "categorical", "choices": [1e-3, 1e30]}
    mixed = study(
        recipe={**RECIPE, "optimiser": {"name": "sgd", "weight_blend": 0.0}, "epochs": 1},
        search={"optimiser.learning_rate": rates},
        enqueue=[{"optimiser.learning_rate": 1e30}, {"optimiser.learning_rate": 1e-3}],
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


def test_values_that_contradict_each_other_fail_their_configuration_and_not_the_study(tmp_path: Path) -> None:
    classes = {"type": "categorical", "choices": ["none", "inverse_frequency"]}
    contradicting = study(
        recipe={**RECIPE, "epochs": 1},
        search={
            "sampling.name": {"type": "categorical", "choices": ["shuffle", "weighted"]},
            "loss.class_weights": classes,
        },
        enqueue=[],
        seeds=[1],
        sampler={"name": "grid"},
        pruner={"name": "none"},
        budget={"configurations": 4},
    )
    folder = run_study(contradicting, StudyFolder.find(tmp_path, "contradicting"))
    states = {tuple(c.values.values()): c.units[1].state for c in folder.board().configurations}
    assert states.pop(("weighted", "inverse_frequency")) is State.FAILED
    assert set(states.values()) == {State.FINISHED}


def test_a_unit_whose_worker_is_killed_goes_on_and_ends_as_if_nothing_had_happened(
    tmp_path: Path, kept_ray: RayHead
) -> None:
    one = study(recipe={**RECIPE, "epochs": 6}, seeds=[1], budget={"configurations": 1})
    killed: list[int] = []
    killer = threading.Thread(target=kill_one_worker, args=(tmp_path, kept_ray, killed), daemon=True)
    killer.start()
    folder = run_study(one, StudyFolder.find(tmp_path / "killed", "one"))
    killer.join(60)
    assert len(killed) == 1
    undisturbed = run_study(one, StudyFolder.find(tmp_path / "whole", "one"))

    (unit,), (expected,) = folder.board().units(), undisturbed.board().units()
    assert (unit.state, len(unit.attempts)) == (State.FINISHED, 2)
    assert [{**report, "seconds": 0} for report in unit.curve] == [
        {**report, "seconds": 0} for report in expected.curve
    ]


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


LONG = {"recipe": {**RECIPE, "epochs": 200}, "pruner": {"name": "none"}}


def interrupt_when(ready: Callable[[], object], times: int = 1) -> None:
    """Ctrl-C, once or twice, as soon as something is there."""

    def interrupt() -> None:
        while not ready():
            time.sleep(0.02)
        for _ in range(times):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.2)

    threading.Thread(target=interrupt, daemon=True).start()


def mlflow_states(folder: StudyFolder) -> list[str]:
    client = mlflow.MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name(folder.name)
    assert experiment is not None
    return [run.info.status for run in client.search_runs([experiment.experiment_id])]


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


def test_a_study_that_was_interrupted_goes_on_and_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    asked = study(sampler={"name": "random"}, budget={"configurations": 2})
    whole = run_study(asked, StudyFolder.find(tmp_path / "whole", "one")).board()
    interrupt_when(lambda: list(tmp_path.glob("cut/one/units/*/checkpoint.pt")))
    with pytest.raises(InterruptedStudyError):
        run_study(asked, StudyFolder.find(tmp_path / "cut", "one"))
    cut = run_study(asked, StudyFolder.find(tmp_path / "cut", "one"))

    def scores(board: Board) -> dict[tuple[float, int], list[float]]:
        return {
            (configuration.values["patch_mix.temperature"], seed): [report["score"] for report in unit.curve]
            for configuration in board.configurations
            for seed, unit in configuration.units.items()
        }

    assert scores(cut.board()) == scores(whole)
    assert optuna_states(cut) == ["COMPLETE"] * 2
    assert mlflow_states(cut) == ["FINISHED"] * 6
    assert len(cut.board().drivers) == 2


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
        run_study(
            study(**short, search={**STUDY["search"], **wider}, enqueue=[]), StudyFolder.find(tmp_path, "one")
        )
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


class SmallDisk:
    """A file that takes so many lines and half of the next one."""

    def __init__(self, file: Any, lines: int) -> None:
        self._file, self._left = file, lines

    def write(self, content: bytes) -> int:
        self._left -= 1
        if self._left < 0:
            self._file.write(content[: len(content) // 2])
            raise OSError(errno.ENOSPC, "No space left on device")
        return self._file.write(content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def test_a_full_disk_stops_the_study_and_freeing_it_lets_it_go_on(tmp_path: Path) -> None:
    one = study(budget={"configurations": 2}, sampler={"name": "random"})
    folder = StudyFolder.find(tmp_path, "full").create(one)
    journal = Journal(folder.journal)
    journal._file = SmallDisk(journal._file, lines=8)  # type: ignore[assignment]
    ray = RaySession.start(one.resources, "local", print)
    with pytest.raises(InterruptedStudyError, match=r"No space left on device: .*journal\.jsonl after 0"):
        drive(one, folder, ray, journal=journal)
    run_study(one, folder)
    assert all(configuration.complete((1, 2)) for configuration in folder.board().configurations)
    assert "RUNNING" not in optuna_states(folder) + mlflow_states(folder)


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
