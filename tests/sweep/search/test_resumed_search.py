"""A new driver's search goes on as that of the driver before would have."""

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

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
    WIDE,
    Sweep,
    config_of,
    distinct,
    eager,
    reread,
    score_at,
)


@pytest.mark.parametrize("sampler", [*SAMPLERS, "grid", "one_at_a_time"])
def test_a_search_goes_on_where_the_last_driver_left_it(tmp_path: Path, sampler: str) -> None:
    search: dict[str, Any] = WIDE
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


def test_a_proposal_that_the_board_never_heard_of_is_made_again() -> None:
    config = config_of({"patch_mix.beta": BETA}, sampler={"name": "qmc"})
    sweep = Sweep(config)
    sweep.go_on(3)
    lost = sweep.search.propose()
    again = Sweep(config, sweep.events)
    assert again.search.propose() == lost


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


def test_known_points_are_not_tried_again_when_seeds_are_added() -> None:
    known = [{"patch_mix.beta": 0.5}, {"patch_mix.beta": 1.5}]
    first = Sweep(config_of({"patch_mix.beta": BETA}, enqueue=known, seeds=[1]))
    assert first.go_on(2) == known
    again = Sweep(config_of({"patch_mix.beta": BETA}, enqueue=known, seeds=[1, 2]), first.events)
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
