"""What the search proposes: known points, lists, and each sampler's own, undisturbed and taken up by another driver."""

import random
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial

from sweep.search.optuna_search import OptunaSearch
from sweep.study.board import Board
from sweep.study.events import (
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    UnitFailed,
    UnitPruned,
    UnitStarted,
)
from tests.sweep.histories import epoch
from tests.sweep.search.sweeps import (
    BETA,
    BOTH,
    KERNELS,
    SAMPLERS,
    STAGES,
    TEMPERATURE,
    Sweep,
    config_of,
    distinct,
    eager,
    reread,
    score_at,
)


class Spy(optuna.samplers.RandomSampler):
    """Notes the trials as a sampler sees them."""

    def __init__(self) -> None:
        super().__init__(0)
        self.seen: list[FrozenTrial] = []

    def infer_relative_search_space(self, study: optuna.Study, trial: FrozenTrial) -> dict[str, Any]:
        # The last one is the draft of the trial that is asked for.
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


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_known_points_come_first_and_then_new_ones(sampler: str) -> None:
    known = [
        {"patch_mix.temperature": 0.2, "patch_mix.beta": 1.0},
        {"patch_mix.temperature": 0.06, "patch_mix.beta": 0.5},
    ]
    search = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
    points = Sweep(config_of(search, enqueue=known, sampler=eager(sampler))).go_on(8)
    assert points[:2] == known
    assert distinct(points) == 8
    for point in points:
        assert 0.02 <= point["patch_mix.temperature"] <= 0.5
        assert 0.2 <= point["patch_mix.beta"] <= 2.0


def test_a_known_point_written_twice_is_tried_once() -> None:
    config = config_of({"patch_mix.beta": BETA}, enqueue=[{"patch_mix.beta": 1.0}, {"patch_mix.beta": 1}])
    points = Sweep(config).go_on(3)
    assert [point == {"patch_mix.beta": 1.0} for point in points] == [True, False, False]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_conditions_are_kept_in_every_point(sampler: str) -> None:
    search = {
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.stage": STAGES,
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": {"smoothing.stage": [1]}},
    }
    points = Sweep(config_of(search, sampler={**eager(sampler), "seed": 1})).go_on(12)
    assert {point["smoothing.stage"] for point in points} == {None, 0, 1}
    for point in points:
        assert ("smoothing.kernel_size" in point) == (point["smoothing.stage"] is not None)
        assert ("smoothing.sigma" in point) == (point["smoothing.stage"] == 1)


def test_values_come_in_the_types_of_their_fields() -> None:
    search = {
        "patch_mix.axes": {"type": "categorical", "choices": [["time"], ["time", "frequency"]]},
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
        "batch_size": {"type": "int", "low": 8, "high": 64, "log": True},
        "patch_mix.train_projector": {"type": "categorical", "choices": [True, False]},
        "optimiser.clip_norm": {"type": "categorical", "choices": [None, 1.0]},
    }
    config = config_of(search, sampler={"name": "random"})
    points = Sweep(config).go_on(30)
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


def test_a_grid_counts_its_points_goes_through_each_once_and_ends() -> None:
    config = config_of(GRID, sampler={"name": "grid"})
    sweep = Sweep(config)
    assert sweep.search.points == (1 + 2 * 3) * 3
    assert sweep.go_on(99) == config.space.grid_points()


def test_a_grid_takes_up_known_points_without_repeating_them() -> None:
    axes = {"type": "categorical", "choices": [["time"], ["time", "frequency"]]}
    known = {"patch_mix.axes": ["time", "frequency"], "smoothing.kernel_size": 7}
    search = {"patch_mix.axes": axes, "smoothing.kernel_size": KERNELS}
    points = Sweep(config_of(search, sampler={"name": "grid"}, enqueue=[known])).go_on(99)
    assert points[0] == {"patch_mix.axes": ("time", "frequency"), "smoothing.kernel_size": 7}
    assert len(points) == distinct(points) == 6


def test_one_at_a_time_goes_through_each_field_once_and_ends() -> None:
    search = {
        "patch_mix.temperature": {"type": "categorical", "choices": [0.1, 0.2, 0.3]},
        "smoothing.kernel_size": KERNELS,
    }
    points = Sweep(config_of(search, sampler={"name": "one_at_a_time"})).go_on(99)
    assert [tuple(point.values()) for point in points] == [(0.2, 5), (0.1, 5), (0.3, 5), (0.2, 3), (0.2, 7)]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_small_space_is_searched_to_its_end_without_repeats(sampler: str) -> None:
    # Left alone, TPE and the Gaussian process ask for the best point of a small space again and again.
    search = {
        "smoothing.kernel_size": KERNELS,
        "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.4, "step": 0.1},
    }
    sweep = Sweep(config_of(search, sampler=eager(sampler)))
    points = sweep.go_on(99)
    assert sweep.search.points == len(points) == distinct(points) == 12


def test_a_repeated_best_point_does_not_end_an_endless_search() -> None:
    # One branch is a single point, and the best one; the other is a range.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
    }
    points = Sweep(config_of(search, sampler=eager("tpe"))).go_on(12)
    assert sum(point["smoothing.stage"] is None for point in points) == 1


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid", "one_at_a_time"])
def test_a_search_goes_on_where_the_last_driver_left_it(tmp_path: Path, sampler: str) -> None:
    search: dict[str, Any] = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
    if sampler in ("grid", "one_at_a_time"):
        steps = {"type": "float", "low": 0.2, "high": 1.4, "step": 0.2}
        search = {"patch_mix.temperature": {**steps, "high": 0.8}, "patch_mix.beta": steps}
    config = config_of(search, sampler=eager(sampler))
    whole = Sweep(config).go_on(12)
    first = Sweep(config)
    assert first.go_on(5) == whole[:5]
    points = Sweep(config, reread(first.events, tmp_path / "journal.jsonl")).go_on(12)
    assert distinct(points) == len(points) == len(whole)
    assert points == whole


@pytest.mark.parametrize("sampler", [name for name in [*SAMPLERS, "grid"] if name != "gp"])
def test_a_driver_killed_after_any_event_changes_no_point(tmp_path: Path, sampler: str) -> None:
    search = {
        "smoothing.kernel_size": KERNELS,
        "patch_mix.beta": {"type": "float", "low": 0.5, "high": 1.5, "step": 0.5},
    }
    config = config_of(
        search, sampler=eager(sampler), enqueue=[{"smoothing.kernel_size": 5, "patch_mix.beta": 1.0}]
    )
    whole = Sweep(config)
    points = whole.go_on(5)
    for events in range(1, len(whole.events)):
        past = reread(whole.events[:events], tmp_path / "journal.jsonl")
        assert Sweep(config, past).go_on(5) == points, f"{events} events"


def go_on_with_workers(sweep: Sweep, configurations: int, workers: int = 3) -> Iterator[None]:
    """Several units at a time, which finish, fail, and are pruned in any order; stops before each proposal."""
    chance, running = random.Random(0), []
    while running or len(sweep.board.configurations) < configurations:
        if len(running) < workers and len(sweep.board.configurations) < configurations:
            yield
            configuration = sweep.add()
            assert configuration is not None
            sweep.record(UnitStarted(configuration.number, 1))
            running.append((configuration, 1))
            continue
        configuration, seed = running.pop(chance.randrange(len(running)))
        score, fortune = score_at(configuration.values) + chance.gauss(0, 0.01), chance.random()
        if seed == 1 and fortune < 0.15:
            sweep.record(EpochReported(configuration.number, 1, epoch(1, score / 2)))
            sweep.end(UnitPruned(configuration.number, 1, "slow"))
        elif fortune < 0.25:
            sweep.end(UnitFailed(configuration.number, seed, "the loss is NaN"))
        else:
            sweep.train(configuration.number, seed, score / 2, score)
            if seed == 1 and chance.random() < 0.6:
                sweep.record(UnitStarted(configuration.number, 2))
                running.append((configuration, 2))
            elif seed == 1:
                sweep.record(ConfigurationDropped(configuration.number, "hopeless"))


WIDE = {"patch_mix.temperature": TEMPERATURE, "patch_mix.beta": BETA}
NARROW = {
    "smoothing.kernel_size": {"type": "int", "low": 1, "high": 9, "step": 2},
    "patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1},
}


CONDITIONAL = {
    **WIDE,
    "smoothing.stage": {"type": "categorical", "choices": [None, 0, 1, 2]},
    "smoothing.kernel_size": {**KERNELS, "when": "smoothing.stage"},
    "smoothing.sigma": {"type": "float", "low": 0.5, "high": 4.0, "when": "smoothing.stage"},
}


@pytest.mark.parametrize(
    ("sampler", "settings"),
    [
        *((sampler, {"search": space}) for sampler in SAMPLERS for space in (WIDE, NARROW)),
        *((sampler, {"search": CONDITIONAL}) for sampler in SAMPLERS if sampler not in ("cmaes", "gp")),
        ("tpe", {"search": WIDE, "objective": BOTH}),
        ("nsga2", {"search": WIDE, "objective": BOTH}),
        ("qmc", {"search": WIDE, "enqueue": [{"patch_mix.temperature": 0.2, "patch_mix.beta": 1.0}]}),
    ],
)
def test_a_new_driver_proposes_what_the_old_one_would_have(
    tmp_path: Path, sampler: str, settings: dict[str, Any]
) -> None:
    config = config_of(sampler=eager(sampler), **settings)
    sweep, proposed = Sweep(config), None
    for _ in go_on_with_workers(sweep, 10 if sampler == "gp" else 18):
        # What the live search answered to the question before this one.
        if proposed is not None:
            added = [event for event in sweep.events if isinstance(event, ConfigurationAdded)]
            assert added[-1] == proposed
        again = OptunaSearch(config)
        again.restore(Board((), reread(sweep.events, tmp_path / "journal.jsonl")))
        proposed = again.propose()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_what_a_sampler_wants_to_find_again_is_in_its_proposals(sampler: str) -> None:
    sweep = Sweep(config_of(WIDE, sampler=eager(sampler)))
    sweep.go_on(9)
    kept = {place for one in sweep.board.configurations for place in one.sampler_state}
    expected = {"cmaes": {"trial"}, "nsga2": {"trial", "study"}, "qmc": {"study"}}
    assert kept == expected.get(sampler, set())


@pytest.mark.parametrize("sampler", ["cmaes", "nsga2", "qmc"])
def test_a_journal_from_before_samplers_kept_their_state_there_is_gone_on_with(sampler: str) -> None:
    config = config_of(WIDE, sampler=eager(sampler))
    first = Sweep(config)
    first.go_on(6)
    old = [replace(e, sampler_state={}) if isinstance(e, ConfigurationAdded) else e for e in first.events]
    assert distinct(Sweep(config, old).go_on(16)) == 16


def test_known_points_are_not_tried_again_when_seeds_are_added(spy: Spy) -> None:
    known = [{"patch_mix.beta": 0.5}, {"patch_mix.beta": 1.5}]
    first = Sweep(config_of({"patch_mix.beta": BETA}, enqueue=known, seeds=[1]))
    assert first.go_on(2) == known
    config = config_of({"patch_mix.beta": BETA}, enqueue=known, seeds=[1, 2])
    assert spy.sees(Sweep(config, first.events)) == [("COMPLETE", [score_at(point)]) for point in known]
    again = Sweep(config, first.events)
    points = again.go_on(4)
    assert points[:2] == known
    assert distinct(points) == 4
    assert [len(one.units) for one in again.board.configurations] == [2] * 4


@pytest.mark.parametrize("objective", ["score", BOTH])
def test_nsga2_goes_on_when_a_parent_fails_with_a_further_seed(objective: str | list[str]) -> None:
    sweep = Sweep(config_of(WIDE, sampler=eager("nsga2"), objective=objective, seeds=[1]))
    sweep.go_on(4)
    parents = next(
        attrs for one in sweep.board.configurations if (attrs := one.sampler_state.get("study")) is not None
    )
    parent = next(iter(parents.values()))[0]
    config = config_of(WIDE, sampler=eager("nsga2"), objective=objective, seeds=[1, 2])
    again = Sweep(config, sweep.events)
    again.record(UnitStarted(parent, 2))
    again.end(UnitFailed(parent, 2, "the loss is NaN"))
    assert distinct(again.go_on(8)) == 8


def test_a_search_that_finds_nothing_new_forgets_that_it_was_asked() -> None:
    config = config_of(
        {"patch_mix.beta": {"type": "float", "low": 0.5, "high": 1.0, "step": 0.5}}, sampler={"name": "qmc"}
    )
    sweep = Sweep(config)
    assert len(sweep.go_on(9)) == 2
    assert [sweep.search.propose() for _ in range(2)] == [None, None]


def test_qmc_goes_through_one_sequence() -> None:
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
    assert Sweep(config).go_on(8)[1:] == [trial.params for trial in plain.trials[1:]]


def test_what_qmc_does_not_cover_is_drawn_anew_each_time() -> None:
    # Optuna's sequence covers the fields of the first point, which has no sigma.
    search = {
        "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
        "smoothing.sigma": {"type": "float", "low": 1.0, "high": 5.0, "when": "smoothing.stage"},
        "patch_mix.beta": BETA,
    }
    known = {"smoothing.stage": None, "patch_mix.beta": 1.0}
    points = Sweep(config_of(search, enqueue=[known], sampler={"name": "qmc"})).go_on(10)
    sigmas = [point["smoothing.sigma"] for point in points if point["smoothing.stage"] == 1]
    assert len(set(sigmas)) == len(sigmas) > 1


def test_a_proposal_that_the_board_never_heard_of_is_made_again() -> None:
    config = config_of({"patch_mix.beta": BETA}, sampler={"name": "qmc"})
    sweep = Sweep(config)
    sweep.go_on(3)
    lost = sweep.search.propose()
    again = Sweep(config, sweep.events)
    assert again.search.propose() == lost


def test_a_sampler_learns_from_the_first_seed_on(spy: Spy) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}))
    sweep.add()
    assert spy.sees(sweep) == [("RUNNING", None)]
    sweep.train(0, 1, 0.2, 0.5)
    assert spy.sees(sweep)[0] == ("COMPLETE", [0.5])
    assert spy.seen[0].intermediate_values == {1: 0.2, 2: 0.5}
    sweep.train(0, 2, 0.7)
    assert spy.sees(sweep)[0] == ("COMPLETE", [pytest.approx(0.6)])


def test_what_was_dropped_in_the_race_still_teaches_its_score_and_what_was_pruned_does_not(spy: Spy) -> None:
    sweep = Sweep(config_of({"patch_mix.beta": BETA}))
    for _ in range(3):
        sweep.add()
    sweep.train(0, 1, 0.2, 0.5)
    sweep.record(ConfigurationDropped(0, "hopeless"))
    sweep.record(UnitStarted(1, 1))
    sweep.record(EpochReported(1, 1, epoch(1, 0.3)))
    sweep.end(UnitPruned(1, 1, "slow"))
    sweep.train(2, 1, 0.4)
    sweep.record(UnitStarted(2, 2))
    sweep.end(UnitFailed(2, 2, "the loss is NaN"))
    expected = [("COMPLETE", [0.5]), ("PRUNED", [0.3]), ("FAIL", None)]
    assert spy.sees(sweep)[:3] == expected
    again = Sweep(config_of({"patch_mix.beta": BETA}), sweep.events)
    assert spy.sees(again)[:3] == expected


def test_tpe_turns_to_what_one_seed_showed_to_be_good() -> None:
    search = {
        "smoothing.kernel_size": {"type": "int", "low": 1, "high": 31, "step": 2},
        "patch_mix.beta": BETA,
    }
    sweep = Sweep(config_of(search, sampler=eager("tpe")))
    while len(sweep.board.configurations) < 30:
        configuration = sweep.add()
        assert configuration is not None
        sweep.train(configuration.number, 1, score_at(configuration.values))
    sizes = [configuration.values["smoothing.kernel_size"] for configuration in sweep.board.configurations]
    assert sum(sizes[-10:]) < sum(sizes[:10]) / 2
