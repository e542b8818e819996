"""Optuna in earnest: what it proposes, what it is told and when, and what its own file holds afterwards."""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial, TrialState

from data.settings import ConfigError, parse
from sweep.config.study_config import StudyConfig
from sweep.search.optuna_search import OptunaSearch
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.study.journal import JournalError
from sweep.study.units import Configuration

TEMPERATURE = {"type": "float", "low": 0.02, "high": 0.5, "log": True}
BETA = {"type": "float", "low": 0.2, "high": 2.0}
KERNELS = {"type": "categorical", "choices": [3, 5, 7]}
STAGES = {"type": "categorical", "choices": [None, 0, 1]}
SAMPLERS = ["tpe", "gp", "cmaes", "nsga2", "qmc", "random"]
BOTH = ["sensitivity", "specificity"]


def config_of(search: dict[str, Any], **settings: Any) -> StudyConfig:
    content = {
        "recipe": {"backbone": {"variant": "tiny"}, "epochs": 9},
        "search": search,
        "seeds": [1, 2],
        **settings,
    }
    return parse(StudyConfig, content, "study")


def eager(sampler: str) -> dict[str, Any]:
    """The sampler, learning from its third trial on where it can be told so."""
    arguments: dict[str, Any] = {
        "tpe": {"n_startup_trials": 3},
        "gp": {"n_startup_trials": 3},
        "cmaes": {"n_startup_trials": 3, "popsize": 4},
        "nsga2": {"population_size": 3},
    }.get(sampler, {})
    return {"name": sampler, "arguments": arguments}


class Sweep:
    """A board and its search, in step as a driver keeps them; `past` is what an earlier one recorded."""

    def __init__(self, config: StudyConfig, folder: Path, past: Sequence[Event] = ()) -> None:
        self.path = folder / "optuna.journal"
        self.events = list(past)
        self.board = Board((), past)
        self.search = OptunaSearch(config, "study", self.path)
        self.moments: list[tuple[int, int]] = []
        """After every step: how long the file is, and how many events are recorded."""
        if past:
            self.record(StudyStopped("its driver died"))
        self.record(StudyStarted(config.seeds))
        self.search.restore(self.board)
        self._mark()

    def add(self) -> Configuration | None:
        values = self.search.propose()
        self._mark()
        if values is None:
            return None
        self.record(ConfigurationAdded(len(self.board.configurations), values))
        return self.board.configurations[-1]

    def train(self, number: int, seed: int, *scores: float) -> None:
        """A whole unit, or what an earlier driver left of it; the last epoch stands for it."""
        configuration = self.board.configurations[number]
        if seed not in configuration.units:
            self.record(UnitStarted(number, seed))
        for epoch in range(len(configuration.units[seed].curve) + 1, len(scores) + 1):
            self.record(EpochReported(number, seed, report(epoch, scores[epoch - 1])))
        self.record(UnitFinished(number, seed, len(scores)))
        self.search.learn(configuration)
        self._mark()

    def settle(self, number: int) -> None:
        self.search.settle(self.board.configurations[number], self.board.fate(number))
        self._mark()

    def end(self, event: UnitPruned | UnitFailed | ConfigurationDropped) -> None:
        self.record(event)
        self.settle(event.configuration)

    def go_on(self, configurations: int) -> list[dict[str, Any]]:
        """Run everything to its end, one configuration after the other, with scores of two epochs."""
        for configuration in self.board.configurations:
            self._complete(configuration)
        while len(self.board.configurations) < configurations:
            configuration = self.add()
            if configuration is None:
                break
            self._complete(configuration)
        return [dict(configuration.values) for configuration in self.board.configurations]

    def record(self, event: Event) -> None:
        self.board.apply(event)
        self.events.append(event)
        self._mark()

    def _complete(self, configuration: Configuration) -> None:
        for seed in self.board.seeds:
            if seed not in configuration.units or not configuration.units[seed].over:
                score = score_at(configuration.values)
                self.train(configuration.number, seed, score / 2, score)
        self.settle(configuration.number)

    def _mark(self) -> None:
        self.moments.append((self.path.stat().st_size, len(self.events)))


def report(epoch: int, score: float) -> dict[str, Any]:
    return {
        "epoch": epoch,
        "score": score,
        "sensitivity": score - 0.1,
        "specificity": score + 0.1,
        "any_abnormal_score": score,
    }


def score_at(values: dict[str, Any] | Any) -> float:
    """The higher the less it is smoothed and the nearer beta is to 1."""
    return 0.8 / (1 + (values.get("smoothing.kernel_size") or 0)) + 0.1 / (
        1 + abs(values.get("patch_mix.beta", 0.0) - 1)
    )


def proposals(sweep: Sweep, most: int) -> list[dict[str, Any]]:
    """The points of a sweep in which each is trained to its end before the next is proposed."""
    return sweep.go_on(most)


def stored(folder: Path, study: str = "study") -> list[FrozenTrial]:
    """The file as anybody else reads it."""
    storage = JournalStorage(JournalFileBackend(str(folder / "optuna.journal")))
    return optuna.load_study(study_name=study, storage=storage).trials


def states(folder: Path) -> list[str]:
    return [trial.state.name for trial in stored(folder)]


def distinct(points: Sequence[dict[str, Any]]) -> int:
    return len({tuple(sorted(point.items())) for point in points})


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_points_come_first_and_then_new_ones(tmp_path: Path, sampler: str) -> None:
    known = [
        {"patch_mix.temperature": 0.2, "patch_mix.beta": 1.0},
        {"patch_mix.temperature": 0.06, "patch_mix.beta": 0.5},
    ]
    search = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
    points = proposals(Sweep(config_of(search, enqueue=known, sampler=eager(sampler)), tmp_path), 8)
    assert points[:2] == known
    assert distinct(points) == 8
    for point in points:
        assert 0.02 <= point["patch_mix.temperature"] <= 0.5
        assert 0.2 <= point["patch_mix.beta"] <= 2.0


def test_a_known_point_written_twice_is_tried_once(tmp_path: Path) -> None:
    config = config_of({"patch_mix.beta": BETA}, enqueue=[{"patch_mix.beta": 1.0}, {"patch_mix.beta": 1}])
    points = proposals(Sweep(config, tmp_path), 3)
    assert [point == {"patch_mix.beta": 1.0} for point in points] == [True, False, False]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditions_are_kept_in_every_point(tmp_path: Path, sampler: str) -> None:
    search = {
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.stage": STAGES,
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": {"smoothing.stage": [1]}},
    }
    points = proposals(Sweep(config_of(search, sampler={**eager(sampler), "seed": 1}), tmp_path), 12)
    assert {point["smoothing.stage"] for point in points} == {None, 0, 1}
    for point in points:
        assert ("smoothing.kernel_size" in point) == (point["smoothing.stage"] is not None)
        assert ("smoothing.sigma" in point) == (point["smoothing.stage"] == 1)
    complete = [trial for trial in stored(tmp_path) if trial.state is TrialState.COMPLETE]
    assert [set(trial.params) for trial in complete] == [set(point) for point in points]


def test_values_come_in_the_types_of_their_fields(tmp_path: Path) -> None:
    search = {
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "batch_size": {"type": "int", "low": 8, "high": 64, "log": True},
        "patch_mix.train_projector": {"type": "categorical", "choices": [True, False]},
        "optimiser.clip_norm": {"type": "categorical", "choices": [None, 1.0]},
    }
    config = config_of(search, sampler={"name": "random"})
    points = proposals(Sweep(config, tmp_path), 30)
    assert {point["patch_mix.axes"] for point in points} == {("time",), ("time", "frequency")}
    assert {point["patch_mix.temperature"] for point in points} <= {0.1, 0.2, 0.3, 0.4, 0.5}
    assert all(type(point["batch_size"]) is int for point in points)
    assert {str(point["patch_mix.train_projector"]) for point in points} == {"True", "False"}
    assert {str(point["optimiser.clip_norm"]) for point in points} == {"None", "1.0"}
    for point in points:
        config.space.recipe(point)


GRID = {
    "smoothing.stage": STAGES,
    "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
    "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.3, "step": 0.1},
}


def test_a_grid_counts_its_points_goes_through_each_once_and_ends(tmp_path: Path) -> None:
    config = config_of(GRID, sampler={"name": "grid"})
    sweep = Sweep(config, tmp_path)
    assert sweep.search.points == (1 + 2 * 3) * 3
    assert proposals(sweep, 99) == config.space.grid_points()
    assert states(tmp_path) == ["COMPLETE"] * 21


def test_a_grid_is_written_point_by_point(tmp_path: Path) -> None:
    sweep = Sweep(config_of(GRID, sampler={"name": "grid"}), tmp_path)
    assert stored(tmp_path) == []
    sweep.add()
    assert states(tmp_path) == ["RUNNING"]


def test_a_grid_takes_up_known_points_without_repeating_them(tmp_path: Path) -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    known = {"patch_mix.axes": ["time", "frequency"], "smoothing.kernel_size": 7}
    search = {"patch_mix.axes": axes, "smoothing.kernel_size": KERNELS}
    points = proposals(Sweep(config_of(search, sampler={"name": "grid"}, enqueue=[known]), tmp_path), 99)
    assert points[0] == {"patch_mix.axes": ("time", "frequency"), "smoothing.kernel_size": 7}
    assert len(points) == distinct(points) == 6


def test_one_at_a_time_goes_through_each_field_once_and_ends(tmp_path: Path) -> None:
    search = {
        "patch_mix.temperature": {"type": "categorical", "choices": [0.1, 0.2, 0.3]},
        "smoothing.kernel_size": KERNELS,
    }
    points = proposals(Sweep(config_of(search, sampler={"name": "one_at_a_time"}), tmp_path), 99)
    assert [tuple(point.values()) for point in points] == [(0.2, 5), (0.1, 5), (0.3, 5), (0.2, 3), (0.2, 7)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_to_its_end_without_repeats(tmp_path: Path, sampler: str) -> None:
    # Left alone, TPE and the Gaussian process ask for the best point of a small space again and again.
    search = {
        "smoothing.kernel_size": KERNELS,
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    }
    sweep = Sweep(config_of(search, sampler=eager(sampler)), tmp_path)
    points = proposals(sweep, 99)
    assert sweep.search.points == len(points) == distinct(points) == 12
    assert set(states(tmp_path)) <= {"COMPLETE", "FAIL"}


def test_a_repeated_best_point_does_not_end_an_endless_search(tmp_path: Path) -> None:
    # One branch is a single point, and the best one; the other is a range.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
    }
    points = proposals(Sweep(config_of(search, sampler=eager("tpe")), tmp_path), 12)
    assert sum(point["smoothing.stage"] is None for point in points) == 1


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid", "one_at_a_time"])
def test_a_search_goes_on_where_the_last_driver_left_it(tmp_path: Path, sampler: str) -> None:
    search: dict[str, Any] = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
    if sampler in ("grid", "one_at_a_time"):
        steps = {"type": "float", "low": 0.2, "high": 1.4, "step": 0.2}
        search = {"patch_mix.temperature": {**steps, "high": 0.8}, "patch_mix.beta": steps}
    config = config_of(search, sampler=eager(sampler))
    (tmp_path / "whole").mkdir()
    whole = proposals(Sweep(config, tmp_path / "whole"), 12)
    first = Sweep(config, tmp_path)
    assert proposals(first, 5) == whole[:5]
    points = proposals(Sweep(config, tmp_path, first.events), 12)
    assert distinct(points) == len(points) == len(whole)
    # A proposal is a function of the seed, its number and what the study holds, so they are equal for all.
    assert points == whole


def test_qmc_goes_through_one_sequence(tmp_path: Path) -> None:
    settings = {"name": "qmc", "seed": 3, "arguments": {"scramble": True}}
    config = config_of({"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}, sampler=settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        plain = optuna.create_study(sampler=optuna.samplers.QMCSampler(seed=3, scramble=True))

    def objective(trial: optuna.Trial) -> float:
        trial.suggest_float("patch_mix.temperature", 0.02, 0.5, log=True)
        return trial.suggest_float("patch_mix.beta", 0.2, 2.0)

    plain.optimize(objective, 8)
    # The first point of all is a random one.
    assert proposals(Sweep(config, tmp_path), 8)[1:] == [trial.params for trial in plain.trials[1:]]


def test_what_qmc_does_not_cover_is_drawn_anew_each_time(tmp_path: Path) -> None:
    # Optuna's sequence covers the fields of the first point, which has no sigma.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
        "patch_mix.beta": BETA,
    }
    known = {"smoothing.stage": None, "patch_mix.beta": 1.0}
    points = proposals(Sweep(config_of(search, enqueue=[known], sampler={"name": "qmc"}), tmp_path), 10)
    sigmas = [point["smoothing.sigma"] for point in points if point["smoothing.stage"] == 1]
    assert len(set(sigmas)) == len(sigmas) > 1


@pytest.mark.parametrize("sampler", ["random", "grid", "tpe", "qmc"])
def test_a_driver_killed_at_any_moment_costs_no_point_and_leaves_no_trial(
    tmp_path: Path, sampler: str
) -> None:
    search = {
        "smoothing.kernel_size": KERNELS,
        "patch_mix.beta": {"type": "float", "low": 0.5, "high": 1.5, "step": 0.5},
    }
    config = config_of(
        search, sampler=eager(sampler), enqueue=[{"smoothing.kernel_size": 5, "patch_mix.beta": 1.0}]
    )
    whole = Sweep(config, tmp_path)
    points = proposals(whole, 4)
    content = whole.path.read_bytes()
    for number, (size, events) in enumerate(moments(whole, content)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "optuna.journal").write_bytes(content[:size])
        again = Sweep(config, folder, whole.events[:events])
        ours = proposals(again, 4)
        if sampler in ("random", "grid"):
            assert ours == points, f"{size} bytes, {events} events"
        assert distinct(ours) == 4
        trials = stored(folder)
        assert {trial.state for trial in trials} <= {TrialState.COMPLETE, TrialState.FAIL}
        complete = {
            trial.user_attrs["configuration"]: trial for trial in trials if trial.state is TrialState.COMPLETE
        }
        assert len(complete) == sum(trial.state is TrialState.COMPLETE for trial in trials) == 4
        assert [complete[index].params for index in range(4)] == ours
        assert [complete[index].value for index in range(4)] == [score_at(point) for point in ours]


def moments(sweep: Sweep, content: bytes) -> list[tuple[int, int]]:
    """Every state in which a kill can leave file and board: between any two lines, and in the middle of each."""
    found: list[tuple[int, int]] = []
    for (size, events), (later, _) in zip(sweep.moments, sweep.moments[1:], strict=False):
        found.append((size, events))
        for line in content[size:later].splitlines(keepends=True):
            found += [(size + len(line) // 2, events), (size + len(line), events)]
            size += len(line)
    return sorted(set(found))


def test_a_proposal_that_the_board_never_heard_of_is_made_again(tmp_path: Path) -> None:
    config = config_of({"patch_mix.beta": BETA}, sampler={"name": "qmc"})
    sweep = Sweep(config, tmp_path)
    sweep.go_on(3)
    lost = sweep.search.propose()
    again = Sweep(config, tmp_path, sweep.events)
    assert again.search.propose() == lost
    assert states(tmp_path) == ["COMPLETE"] * 3 + ["RUNNING"]


@pytest.mark.parametrize("seen", ["waiting", "nothing"])
def test_a_queue_that_a_dead_driver_left_is_used_up_first(tmp_path: Path, seen: str) -> None:
    config = config_of({"patch_mix.beta": BETA}, enqueue=[{"patch_mix.beta": 0.5}, {"patch_mix.beta": 1.5}])
    Sweep(config, tmp_path)
    if seen == "waiting":
        storage = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
        optuna.load_study(study_name="study", storage=storage).enqueue_trial({"patch_mix.beta": 0.5})
    assert proposals(Sweep(config, tmp_path), 2) == [{"patch_mix.beta": 0.5}, {"patch_mix.beta": 1.5}]
    assert states(tmp_path) == ["COMPLETE"] * 2


def test_a_study_whose_file_is_gone_is_restored_from_the_board(tmp_path: Path) -> None:
    search = {
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["frequency"]]},
        "patch_mix.beta": BETA,
    }
    config = config_of(search, seeds=[1, 2])
    sweep = Sweep(config, tmp_path)
    points = proposals(sweep, 2)
    for _ in range(3):
        sweep.add()
    sweep.record(UnitStarted(2, 1))
    sweep.record(EpochReported(2, 1, report(1, 0.2)))
    sweep.end(UnitPruned(2, 1, "slow"))
    sweep.train(3, 1, 0.3, 0.6)
    before = stored(tmp_path)
    sweep.path.unlink()
    again = Sweep(config, tmp_path, sweep.events)
    after = stored(tmp_path)
    assert [trial.state.name for trial in after] == ["COMPLETE", "COMPLETE", "PRUNED", "RUNNING", "RUNNING"]
    for old, new in zip(before, after, strict=True):
        assert (old.params, old.distributions, old.user_attrs) == (
            new.params,
            new.distributions,
            new.user_attrs,
        )
        assert (old.values, old.intermediate_values) == (new.values, new.intermediate_values)
    assert again.search.propose() not in points


def test_a_renamed_study_goes_on_in_its_file(tmp_path: Path) -> None:
    config = config_of({"patch_mix.beta": BETA})
    sweep = Sweep(config, tmp_path)
    sweep.go_on(2)
    search = OptunaSearch(config, "renamed", sweep.path)
    search.restore(sweep.board)
    assert search.propose() is not None
    assert states(tmp_path) == ["COMPLETE", "COMPLETE", "RUNNING"]


def test_a_torn_last_line_is_cut_off(tmp_path: Path) -> None:
    config = config_of({"patch_mix.beta": BETA})
    sweep = Sweep(config, tmp_path)
    sweep.go_on(2)
    whole = sweep.path.read_bytes()
    sweep.path.write_bytes(whole + b'{"op_code":4,"wor')
    Sweep(config, tmp_path, sweep.events)
    assert sweep.path.read_bytes() == whole


def test_a_file_that_optuna_did_not_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "optuna.journal").write_text('{"op_code":0,"study_name":"x"}\nnonsense\n')
    with pytest.raises(JournalError, match=r"optuna.journal:2: not a line of Optuna's journal: nonsense"):
        Sweep(config_of({"patch_mix.beta": BETA}), tmp_path)


def test_every_line_is_one_that_optuna_itself_would_write(tmp_path: Path) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}), tmp_path)
    sweep.go_on(2)
    lines = sweep.path.read_text().splitlines()
    assert all(json.dumps(json.loads(line), separators=(",", ":")) == line for line in lines)
    assert all({"op_code", "worker_id"} <= json.loads(line).keys() for line in lines)
    assert list(tmp_path.iterdir()) == [sweep.path], "no lock that a killed driver could leave"


class Spy(optuna.samplers.RandomSampler):
    """Notes the trials as a sampler sees them."""

    def __init__(self) -> None:
        super().__init__(0)
        self.seen: list[FrozenTrial] = []

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        self.seen = study.get_trials()[:-1]
        return {}

    def sees(self, sweep: Sweep) -> list[tuple[str, list[float] | None]]:
        sweep.search.propose()
        return [(trial.state.name, trial.values) for trial in self.seen]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> Spy:
    spy = Spy()
    monkeypatch.setattr("sweep.search.optuna_search.build_sampler", lambda *_: spy)
    return spy


def test_a_sampler_learns_from_the_first_seed_on(tmp_path: Path, spy: Spy) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}), tmp_path)
    sweep.add()
    assert spy.sees(sweep) == [("RUNNING", None)]
    sweep.train(0, 1, 0.2, 0.5)
    assert spy.sees(sweep)[0] == ("COMPLETE", [0.5])
    assert spy.seen[0].intermediate_values == {1: 0.2, 2: 0.5}
    sweep.train(0, 2, 0.7)
    assert spy.sees(sweep)[0] == ("COMPLETE", [pytest.approx(0.6)])
    # Others wait for the end.
    assert states(tmp_path)[0] == "RUNNING"
    assert stored(tmp_path)[0].user_attrs == {
        "configuration": 0,
        "score_mean": pytest.approx(0.6),
        "seeds": 2,
    }
    sweep.settle(0)
    assert spy.sees(sweep)[0] == ("COMPLETE", [pytest.approx(0.6)])
    assert states(tmp_path)[0] == "COMPLETE"


def test_what_was_dropped_in_the_race_still_teaches_its_score_and_what_was_pruned_does_not(
    tmp_path: Path, spy: Spy
) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}), tmp_path)
    for _ in range(3):
        sweep.add()
    sweep.train(0, 1, 0.2, 0.5)
    sweep.end(ConfigurationDropped(0, "hopeless"))
    sweep.record(UnitStarted(1, 1))
    sweep.record(EpochReported(1, 1, report(1, 0.3)))
    sweep.end(UnitPruned(1, 1, "slow"))
    sweep.train(2, 1, 0.4)
    sweep.record(UnitStarted(2, 2))
    sweep.end(UnitFailed(2, 2, "the loss is NaN"))
    expected = [("COMPLETE", [0.5]), ("PRUNED", [0.3]), ("FAIL", None)]
    assert spy.sees(sweep)[:3] == expected
    again = Sweep(config_of({"patch_mix.beta": BETA}), tmp_path, sweep.events)
    assert spy.sees(again)[:3] == expected


def test_tpe_turns_to_what_one_seed_showed_to_be_good(tmp_path: Path) -> None:
    search = {
        "smoothing.kernel_size": {"type": "int", "low": 1, "high": 31, "step": 2},
        "patch_mix.beta": BETA,
    }
    sweep = Sweep(config_of(search, sampler=eager("tpe")), tmp_path)
    while len(sweep.board.configurations) < 30:
        configuration = sweep.add()
        assert configuration is not None
        sweep.train(configuration.number, 1, score_at(configuration.values))
    assert set(states(tmp_path)) <= {"RUNNING", "FAIL"}
    sizes = [configuration.values["smoothing.kernel_size"] for configuration in sweep.board.configurations]
    assert sum(sizes[-10:]) < sum(sizes[:10]) / 2


def test_the_file_tells_how_every_configuration_ended(tmp_path: Path) -> None:
    known = [{"patch_mix.beta": beta} for beta in (0.5, 1.0, 1.5, 1.7, 1.9)]
    sweep = Sweep(config_of({"patch_mix.beta": BETA}, enqueue=known), tmp_path)
    for _ in known:
        sweep.add()
    sweep.train(0, 1, 0.1, 0.4)
    sweep.train(0, 2, 0.6)
    sweep.record(UnitStarted(1, 1))
    sweep.record(EpochReported(1, 1, report(1, 0.1)))
    sweep.end(UnitPruned(1, 1, "slow"))
    sweep.record(UnitStarted(2, 1))
    sweep.end(UnitFailed(2, 1, "the loss is NaN"))
    sweep.train(3, 1, 0.3, 0.2)
    sweep.end(ConfigurationDropped(3, "hopeless"))
    assert states(tmp_path) == ["RUNNING", "PRUNED", "FAIL", "PRUNED", "RUNNING"]
    sweep.settle(0)
    size = sweep.path.stat().st_size
    for number in range(4):
        sweep.settle(number)
    assert sweep.path.stat().st_size == size, "told twice"

    trials = stored(tmp_path)
    assert [trial.params for trial in trials] == known
    assert [trial.values for trial in trials] == [[0.5], [0.1], None, [0.2], None]
    assert [trial.intermediate_values for trial in trials] == [
        {1: 0.1, 2: 0.4},
        {1: 0.1},
        {},
        {1: 0.3, 2: 0.2},
        {},
    ]
    assert [trial.user_attrs.get("reason") for trial in trials] == [
        None,
        "slow",
        "the loss is NaN",
        "hopeless",
        None,
    ]
    assert [trial.user_attrs.get("seeds") for trial in trials] == [2, None, None, 1, None]
    assert trials[3].user_attrs["score_mean"] == 0.2


def test_reports_do_not_touch_the_file(tmp_path: Path) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}), tmp_path)
    sweep.add()
    size = sweep.path.stat().st_size
    sweep.record(UnitStarted(0, 1))
    for epoch in range(1, 10):
        sweep.record(EpochReported(0, 1, report(epoch, 0.5)))
    assert sweep.path.stat().st_size == size


def test_further_seeds_reopen_what_was_told_and_the_file_follows(tmp_path: Path) -> None:
    search = {"patch_mix.beta": BETA}
    sweep = Sweep(config_of(search, seeds=[1]), tmp_path)
    sweep.add()
    sweep.train(0, 1, 0.4)
    sweep.settle(0)
    sweep.add()
    sweep.record(UnitStarted(1, 1))
    sweep.record(EpochReported(1, 1, report(1, 0.3)))
    sweep.end(UnitPruned(1, 1, "slow"))
    assert [trial.values for trial in stored(tmp_path)] == [[0.4], [0.3]]
    again = Sweep(config_of(search, seeds=[1, 2]), tmp_path, sweep.events)
    assert states(tmp_path) == ["RUNNING", "PRUNED"]
    again.train(0, 2, 0.6)
    again.settle(0)
    assert [trial.values for trial in stored(tmp_path)] == [[0.5], [0.3]]
    assert stored(tmp_path)[0].user_attrs["seeds"] == 2


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "cmaes"])
def test_two_objectives_are_told_as_two_means(tmp_path: Path, sampler: str) -> None:
    search = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
    config = config_of(search, objective=BOTH, sampler=eager(sampler))
    sweep = Sweep(config, tmp_path)
    proposals(sweep, 6)
    sweep.add()
    sweep.record(UnitStarted(6, 1))
    sweep.record(EpochReported(6, 1, report(1, 0.3)))
    sweep.end(UnitPruned(6, 1, "slow"))
    sweep.add()
    sweep.train(7, 1, 0.5)
    sweep.end(ConfigurationDropped(7, "hopeless"))
    points = proposals(Sweep(config, tmp_path, sweep.events), 10)
    assert distinct(points) == 10

    trials = {trial.user_attrs.get("configuration"): trial for trial in stored(tmp_path)}
    score = score_at(points[0])
    assert trials[0].values == [pytest.approx(score - 0.1), pytest.approx(score + 0.1)]
    assert trials[0].user_attrs["score_mean"] == pytest.approx(score)
    assert (trials[6].state, trials[6].values) == (TrialState.PRUNED, None)
    assert (trials[7].state, trials[7].values) == (TrialState.PRUNED, [0.4, 0.6])
    assert not any(trial.intermediate_values for trial in trials.values())


def test_the_front_is_what_optuna_itself_finds_in_the_file(tmp_path: Path) -> None:
    known = [{"patch_mix.beta": beta} for beta in (0.5, 1.0, 1.5)]
    sweep = Sweep(config_of({"patch_mix.beta": BETA}, enqueue=known, objective=BOTH, seeds=[1]), tmp_path)
    for number, (sensitivity, specificity) in enumerate([(0.4, 0.8), (0.6, 0.7), (0.5, 0.6)]):
        sweep.add()
        sweep.record(UnitStarted(number, 1))
        rates = {"sensitivity": sensitivity, "specificity": specificity}
        sweep.record(EpochReported(number, 1, {**report(1, 0.5), **rates}))
        sweep.record(UnitFinished(number, 1, 1))
        sweep.settle(number)
    storage = JournalStorage(JournalFileBackend(str(sweep.path)))
    front = optuna.load_study(study_name="study", storage=storage).best_trials
    assert [trial.user_attrs["configuration"] for trial in front] == [0, 1]


def test_a_study_of_one_objective_does_not_go_on_with_two(tmp_path: Path) -> None:
    Sweep(config_of({"patch_mix.beta": BETA}), tmp_path)
    with pytest.raises(ConfigError, match=r"objective: .* holds a study of 1 objective"):
        Sweep(config_of({"patch_mix.beta": BETA}, objective=BOTH), tmp_path)


def test_a_study_in_memory_proposes_what_one_in_a_file_does(tmp_path: Path) -> None:
    config = config_of({"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA})
    search = OptunaSearch(config, "study")
    search.restore(Board(config.seeds))
    sweep = Sweep(config, tmp_path)
    assert [search.propose() for _ in range(3)] == [sweep.search.propose() for _ in range(3)]


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"sampler": {"name": "tpe", "arguments": {"n_startup": 3}}},
            r"sampler.arguments: Optuna's TPESampler refuses them: .*n_startup",
        ),
        (
            {"sampler": {"name": "tpe", "arguments": {"seed": 3}}},
            r"sampler.arguments: Optuna's TPESampler refuses them: .*seed",
        ),
        (
            {"sampler": {"name": "qmc", "arguments": {"qmc_type": "dice"}}},
            r"sampler.arguments: Optuna's QMCSampler refuses them: .*dice",
        ),
        (
            {"sampler": {"name": "cmaes"}, "objective": BOTH},
            r"sampler: cmaes searches for one objective; tpe, gp and nsga2 search for two",
        ),
        (
            {"sampler": {"name": "cmaes"}, "search": {"smoothing.kernel_size": KERNELS}},
            r"sampler: cmaes needs a range to move in",
        ),
    ],
)
def test_a_sampler_that_cannot_search_is_refused(
    tmp_path: Path, settings: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Sweep(config_of(**{"search": {"patch_mix.beta": BETA}, **settings}), tmp_path)
