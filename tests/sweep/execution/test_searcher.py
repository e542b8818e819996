"""What Ray Tune's searcher tells the study of how a trial ended, with a study whose search is a list of one."""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from data.settings import ConfigError
from sweep.config.study_parts import PrunerConfig, ResourcesConfig
from sweep.execution.losses import Loss
from sweep.execution.searcher import BoardSearcher
from sweep.execution.slots import NONE_BARRED, Slots
from sweep.search.epoch_pruner import EpochPruner
from sweep.study.board import Board
from sweep.study.budget import Budget, BudgetConfig
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.events import ConfigurationAdded
from sweep.study.racing import NoRacingConfig
from sweep.study.units import Configuration, Fate, State
from sweep.worker.step_result import Failed, Finished, FullDisk, OutOfMemory, StepResult


class OneConfiguration:
    skipped = None

    def __init__(self) -> None:
        self.disk_is_full = False
        self._proposed = 0

    def propose(self) -> ConfigurationAdded:
        self._proposed += 1
        return ConfigurationAdded(self._proposed - 1, {"patch_mix.beta": 1.0})

    def learn(self, configuration: Configuration) -> None:
        if self.disk_is_full:
            raise OSError(errno.ENOSPC, "No space left on device", "optuna.journal")

    def restore(self, board: Board) -> None: ...


@pytest.fixture
def search() -> OneConfiguration:
    return OneConfiguration()


@pytest.fixture
def coordinator(search: OneConfiguration) -> Coordinator:
    racing = NoRacingConfig()
    budget = Budget(BudgetConfig(configurations=1), racing, gpus=0, slots=1, epochs=lambda values: 9)
    pruner = EpochPruner(PrunerConfig(name="none"), lambda values: 9, "test")
    coordinator = Coordinator(Board(), search, pruner, budget, Rules(racing, max_failures=1))
    coordinator.start((1, 2))
    return coordinator


def config_of(configuration: Configuration, seed: int) -> dict[str, Any]:
    return {"configuration": configuration.number, "seed": seed}


class Room(Slots):
    """Nodes with a number of places each, or a number of units at a time that changes."""

    def __init__(self, nodes: Mapping[str, int] = NONE_BARRED, most: Callable[[], int] = lambda: 8) -> None:
        super().__init__(ResourcesConfig())
        self._given = nodes
        self._most = most

    @property
    def nodes(self) -> Mapping[str, int]:
        return self._given

    def __call__(self, barred: Mapping[str, int] = NONE_BARRED) -> int:
        return super().__call__(barred) if self._given else self._most()


def searcher_of(coordinator: Coordinator, losses: dict[str, Loss] | None = None) -> BoardSearcher:
    return BoardSearcher(coordinator, config_of, losses or {}, Room(), lambda: None)


def test_a_trial_is_a_unit_and_its_end_the_units(coordinator: Coordinator) -> None:
    searcher = searcher_of(coordinator)
    assert searcher.suggest("a") == {"configuration": 0, "seed": 1}
    assert searcher.suggest("b") is None
    coordinator.report(0, 1, {"epoch": 1, "score": 0.5})
    searcher.on_trial_complete("a", StepResult(ending=Finished(1)).as_tune())
    assert searcher.suggest("b") == {"configuration": 0, "seed": 2}
    coordinator.report(0, 2, {"epoch": 1, "score": 0.5})
    searcher.on_trial_complete("b", StepResult(ending=Finished(1)).as_tune())
    assert coordinator.board.fate(0) is Fate.COMPLETE
    assert searcher.suggest("c") == "FINISHED"


@pytest.mark.parametrize(
    ("result", "state"),
    [
        (StepResult(ending=Failed("TrainingError: NaN")), State.FAILED),
        (StepResult(ending=OutOfMemory("OutOfMemoryError")), State.WAITING),
        (StepResult(), State.WAITING),
    ],
)
def test_a_unit_ends_as_its_result_says(coordinator: Coordinator, result: StepResult, state: State) -> None:
    searcher = searcher_of(coordinator)
    searcher.suggest("a")
    searcher.on_trial_complete("a", result.as_tune())
    assert coordinator.board.unit(0, 1).state is state


def test_a_dead_worker_is_told_with_its_cause(coordinator: Coordinator) -> None:
    searcher = searcher_of(coordinator, {"a": Loss("killed by signal 11\nTraceback", "worker")})
    searcher.suggest("a")
    searcher.on_trial_complete("a", error=True)
    unit = coordinator.board.unit(0, 1)
    assert (unit.state, unit.failures, unit.reason) == (State.WAITING, 1, "killed by signal 11\nTraceback")


def test_a_node_that_was_taken_back_is_no_failure_of_its_units(coordinator: Coordinator) -> None:
    searcher = searcher_of(coordinator, {name: Loss("taken back", "notice") for name in "abc"})
    for name in "abc":
        assert searcher.suggest(name) == {"configuration": 0, "seed": 1}
        searcher.on_trial_complete(name, error=True)
    unit = coordinator.board.unit(0, 1)
    assert (unit.state, unit.failures) == (State.WAITING, 0)


def test_as_many_units_run_as_there_is_room_for_when_asked() -> None:
    slots = iter([0, 1, 1, 2])
    racing = NoRacingConfig()
    budget = Budget(BudgetConfig(configurations=2), racing, gpus=0, slots=1, epochs=lambda values: 9)
    pruner = EpochPruner(PrunerConfig(name="none"), lambda values: 9, "test")
    coordinator = Coordinator(Board(), OneConfiguration(), pruner, budget, Rules(racing))
    coordinator.start((1,))
    waited = []
    searcher = BoardSearcher(
        coordinator, config_of, {}, Room(most=lambda: next(slots)), lambda: waited.append(1)
    )
    asked = [searcher.suggest(name) for name in "abcd"]
    assert asked == [None, {"configuration": 0, "seed": 1}, None, {"configuration": 1, "seed": 1}]
    assert len(waited) == 2


def test_a_unit_is_kept_off_the_node_on_which_it_died() -> None:
    racing = NoRacingConfig()
    budget = Budget(BudgetConfig(configurations=3), racing, gpus=0, slots=2, epochs=lambda values: 9)
    pruner = EpochPruner(PrunerConfig(name="none"), lambda values: 9, "test")
    now = [0.0]
    coordinator = Coordinator(
        Board(), OneConfiguration(), pruner, budget, Rules(racing), clock=lambda: now[0]
    )
    coordinator.start((1,))
    losses = {name: Loss("killed by signal 11", "worker") for name in "abcd"}
    searcher = BoardSearcher(coordinator, config_of, losses, Room({"x/1": 1, "x/2": 1}), lambda: None)
    for name, node in [("a", "x/1"), ("b", "x/2")]:
        config = searcher.suggest(name)
        assert isinstance(config, dict)
        coordinator.place(config["configuration"], 1, node)
    now[0] = 20.0
    searcher.on_trial_complete("a", error=True)
    # Only the node on which it died has room, so another unit comes there.
    assert searcher.suggest("c") == {"configuration": 2, "seed": 1}
    coordinator.place(2, 1, "x/1")
    now[0] = 40.0
    searcher.on_trial_complete("c", error=True)
    assert searcher.suggest("d") is None, "the node is accused"
    coordinator.report(1, 1, {"epoch": 1, "score": 0.5})
    searcher.on_trial_complete("b", StepResult(ending=Finished(1)).as_tune())
    assert searcher.suggest("d") == {"configuration": 0, "seed": 1, "avoid": ["x/1"]}
    assert searcher.suggest("e") is None


def test_a_unit_that_died_before_it_was_placed_died_where_ray_says(coordinator: Coordinator) -> None:
    searcher = searcher_of(coordinator, {"a": Loss("killed by signal 11", "worker", "10.0.0.7/1f2e")})
    searcher.suggest("a")
    searcher.on_trial_complete("a", error=True)
    assert coordinator.board.unit(0, 1).died_on == ["10.0.0.7/1f2e"]


def test_what_a_halt_tears_down_is_no_failure(coordinator: Coordinator) -> None:
    searcher = searcher_of(coordinator)
    searcher.suggest("a")
    coordinator.halt("interrupted")
    searcher.on_trial_complete("a", error=True)
    coordinator.stop()
    assert coordinator.board.unit(0, 1).failures == 0


def test_a_full_disk_of_a_worker_or_of_the_driver_halts_the_study(
    coordinator: Coordinator, search: OneConfiguration
) -> None:
    searcher = searcher_of(coordinator)
    searcher.suggest("a")
    coordinator.report(0, 1, {"epoch": 1, "score": 0.5})
    search.disk_is_full = True
    searcher.on_trial_complete("a", StepResult(ending=Finished(1)).as_tune())
    # Ray Tune calls again when something went wrong.
    searcher.on_trial_complete("a", error=True)
    assert coordinator.halted == "No space left on device: optuna.journal"


def test_the_searcher_says_where_a_workers_disk_is_full(coordinator: Coordinator) -> None:
    searcher = searcher_of(coordinator)
    searcher.suggest("a")
    searcher.on_trial_complete("a", StepResult(ending=FullDisk("No space left on device: units")).as_tune())
    assert coordinator.halted == "No space left on device: units"
    assert searcher.suggest("b") is None


def test_values_that_make_no_recipe_fail_their_configuration(coordinator: Coordinator) -> None:
    def contradict(configuration: Configuration, seed: int) -> dict[str, Any]:
        raise ConfigError("weighted and inverse_frequency both correct the class balance")

    searcher = BoardSearcher(coordinator, contradict, {}, Room(), lambda: None)
    assert searcher.suggest("a") == "FINISHED"
    assert coordinator.board.fate(0) is Fate.FAILED


def test_a_programming_error_is_no_failure_of_a_configuration(coordinator: Coordinator) -> None:
    def stumble(configuration: Configuration, seed: int) -> dict[str, Any]:
        raise ValueError("a bug")

    with pytest.raises(ValueError, match=r"a bug"):
        BoardSearcher(coordinator, stumble, {}, Room(), lambda: None).suggest("a")
    assert coordinator.board.unit(0, 1).state is State.RUNNING


def test_tune_saves_nothing_that_counts(coordinator: Coordinator, tmp_path: Path) -> None:
    searcher = searcher_of(coordinator)
    searcher.save(str(tmp_path / "state"))
    with pytest.raises(NotImplementedError, match=r"restored from its journal"):
        searcher.restore(str(tmp_path / "state"))
