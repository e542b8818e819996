"""Which unit starts next and from when it is charged, what the search has learnt, and when no unit is left to start."""

import pytest

from sweep.study.racing import ContendersConfig
from sweep.study.units import Fate
from tests.sweep.study.worlds import World


def test_every_configuration_gets_its_first_seed_before_any_gets_a_second() -> None:
    world = World(budget={"configurations": 2})
    assert world.play({0: [0.5, 0.5], 1: [0.4, 0.4]}) == [(0, 1), (1, 1), (0, 2), (1, 2)]
    assert world.coordinator.over


def test_one_after_the_other_on_request() -> None:
    world = World(budget={"configurations": 2}, schedule="sequential")
    assert world.play({0: [0.5, 0.5], 1: [0.4, 0.4]}) == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_idle_machines_start_new_configurations_while_a_first_seed_runs() -> None:
    world = World(budget={"configurations": 3}, schedule="sequential")
    assert [world.start() for _ in range(4)] == [(0, 1), (1, 1), (2, 1), None]


def test_a_contender_gets_seeds_and_a_hopeless_configuration_does_not() -> None:
    scores = {number: [0.7 - 0.001 * number] * 5 if number < 4 else [0.3] * 5 for number in range(12)}
    world = World(seeds=(1, 2, 3, 4, 5), racing=ContendersConfig(), budget={"configurations": 12})
    units = world.play(scores)
    assert units[:12] == [(number, 1) for number in range(12)]
    assert {number for number, seed in units if seed > 1} == {0, 1, 2, 3}
    assert world.coordinator.stop() == "over"
    hopeless = world.board.configurations[11]
    assert (hopeless.dropped or "").startswith(
        "dropped after seed 1: 30.0 % against 70.0 % after as many seeds, P(ahead)"
    )
    assert {world.board.fate(number) for number in range(4, 12)} == {Fate.DROPPED}


def test_the_best_two_end_with_all_their_seeds() -> None:
    scores = {number: [0.9 - 0.2 * number] * 3 for number in range(4)}
    world = World(seeds=(1, 2, 3), racing=ContendersConfig(), budget={"configurations": 4})
    world.play(scores)
    assert [configuration.number for configuration in world.board.ranking()] == [0, 1]


def test_a_budget_of_units_pays_for_the_race_as_well() -> None:
    scores = {number: [0.5 + 0.01 * number] * 3 for number in range(20)}
    world = World(seeds=(1, 2, 3), budget={"units": 20}, racing=ContendersConfig())
    assert len(world.play(scores)) in (19, 20)
    assert len(world.board.ranking()) >= 2


def test_what_a_budget_still_pays_for_finishes_a_third_whom_the_race_gave_up() -> None:
    scores = {number: [0.9 - 0.2 * number] * 3 for number in range(4)}
    units = {"units": 10}
    world = World(seeds=(1, 2, 3), racing=ContendersConfig(), budget=units)
    world.play({**scores, **{number: [0.1] * 3 for number in range(4, 20)}})
    assert world.board.started == 10
    assert [configuration.number for configuration in world.board.ranking()] == [0, 1, 2]
    spared = World(seeds=(1, 2, 3), racing=ContendersConfig(), budget={**units, "configurations": 4})
    spared.play(scores)
    assert spared.board.started == 8


def test_a_study_let_go_before_its_end_says_that_seeds_are_to_come() -> None:
    world = World()
    world.start()
    world.train(0, 1, 0.5)
    assert not world.coordinator.over
    assert world.coordinator.stop() == "ended with seeds to come"


def test_nothing_is_recorded_of_a_study_that_was_let_go() -> None:
    world = World()
    world.start()
    world.coordinator.halt("Ray died on this machine")
    world.coordinator.stop()
    before = world.board.decisions, list(world.board.waiting)
    with pytest.raises(RuntimeError, match="the study was let go before UnitFailed"):
        world.coordinator.failed(0, 1, "a loop came back that was left behind")
    assert (world.board.decisions, list(world.board.waiting)) == before


def test_the_search_learns_from_the_first_seed_on() -> None:
    world = World(budget={"configurations": 1})
    world.start()
    world.train(0, 1, 0.4)
    assert world.search.told == [("learnt", 0, 0.4)]
    world.start()
    world.train(0, 2, 0.6)
    assert world.search.told == [("learnt", 0, 0.4), ("learnt", 0, 0.5)]


def test_a_search_without_further_points_ends_a_study() -> None:
    world = World(seeds=(1,), betas=1)
    world.start()
    assert world.start() is None
    assert not world.coordinator.over
    world.train(0, 1, 0.5)
    assert world.coordinator.over


def test_a_unit_is_charged_from_when_it_has_a_device() -> None:
    world = World()
    world.coordinator.next_unit(placed=False)
    world.clock.now = 100.0
    assert world.board.gpu_seconds(100.0) == 0
    world.coordinator.place(0, 1)
    assert world.board.gpu_seconds(107.0) == 7.0
