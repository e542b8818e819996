"""A unit that cannot be finished, and what becomes of its configuration."""

import pytest

from sweep.study.events import UnitPruned
from sweep.study.units import Fate, State
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World


def two_further_seeds_run() -> World:
    """A study of one configuration whose first seed has finished, and whose second and third run."""
    world = World(seeds=(1, 2, 3), budget={"configurations": 1})
    world.start()
    world.train(0, 1, 0.5)
    assert (world.start(), world.start()) == ((0, 2), (0, 3))
    return world


def test_a_failed_unit_ends_its_configuration_and_not_the_study() -> None:
    world = World()
    world.start()
    world.coordinator.failed(0, 1, "the loss is NaN")
    assert world.board.fate(0) is Fate.FAILED
    assert world.search.told == [("failed", 0)]
    assert world.start() == (1, 1)


def test_a_configuration_fails_with_a_seed_and_its_other_seeds_are_given_up() -> None:
    world = two_further_seeds_run()
    world.coordinator.failed(0, 2, "the loss is NaN")
    assert world.search.told[-1] == ("failed", 0)
    assert world.coordinator.report(0, 3, epoch(1, 0.5))
    assert world.board.unit(0, 3).reason == "given up, as another seed failed"


def test_a_waiting_unit_of_a_failed_configuration_is_given_up() -> None:
    world = two_further_seeds_run()
    world.coordinator.lost(0, 2, "node 7 is gone")
    world.coordinator.failed(0, 3, "the loss is NaN")
    assert world.board.unit(0, 2).reason == "given up, as seed 3 failed"
    assert world.search.told[-1] == ("failed", 0)
    assert world.coordinator.over


def test_a_unit_that_loses_its_worker_after_another_seed_failed_does_not_go_on() -> None:
    world = two_further_seeds_run()
    world.coordinator.failed(0, 2, "the loss is NaN")
    world.coordinator.lost(0, 3, "node 7 is gone")
    assert (
        world.board.unit(0, 3).reason
        == "lost its worker after its configuration was given up: node 7 is gone"
    )
    assert world.coordinator.over


def test_a_unit_that_waits_for_a_failed_configuration_is_not_taken_up_again() -> None:
    first = two_further_seeds_run()
    first.coordinator.failed(0, 2, "the loss is NaN")
    first.coordinator.halt("interrupted")
    first.coordinator.stop()
    second = World(seeds=(1, 2, 3), budget={"configurations": 1}, past=first.heard)
    assert second.start() is None
    assert second.board.unit(0, 3).reason == "given up, as its configuration was"
    assert second.coordinator.over


def two_seeds_run_at_once() -> World:
    """A study whose budget of units lets both seeds of a configuration start before the first has a score."""
    world = World(bar=0.5, budget={"units": 4})
    assert [world.start() for _ in range(4)] == [(0, 1), (1, 1), (0, 2), (1, 2)]
    return world


def test_the_pruner_learns_of_a_first_seed_that_is_given_up_as_another_failed() -> None:
    world = two_seeds_run_at_once()
    world.coordinator.lost(0, 1, "node 7 is gone")
    world.coordinator.failed(0, 2, "the loss is NaN")
    assert world.board.unit(0, 1).state is State.FAILED
    assert world.pruner.ended == [0]


def test_the_running_seed_of_a_pruned_configuration_ends_with_its_next_report() -> None:
    world = two_seeds_run_at_once()
    assert world.coordinator.report(0, 1, epoch(1, 0.1))
    assert world.coordinator.report(0, 2, epoch(1, 0.9))
    assert world.board.unit(0, 2).state is State.PRUNED
    assert world.board.unit(0, 2).reason == "given up, as another seed was pruned"
    assert world.board.fate(0) is Fate.PRUNED


def test_the_waiting_seed_of_a_pruned_configuration_does_not_go_on() -> None:
    world = two_seeds_run_at_once()
    world.coordinator.lost(0, 2, "node 7 is gone")
    assert world.coordinator.report(0, 1, epoch(1, 0.1))
    assert world.board.unit(0, 2).reason == "given up, as seed 1 was pruned"
    assert world.board.fate(0) is Fate.PRUNED
    assert world.start() is None


@pytest.mark.parametrize("out_of_memory", [False, True])
def test_a_unit_that_loses_its_worker_after_the_first_seed_was_pruned_has_not_failed(
    out_of_memory: bool,
) -> None:
    world = two_seeds_run_at_once()
    assert world.coordinator.report(0, 1, epoch(1, 0.1))
    world.coordinator.lost(0, 2, "node 7 is gone", out_of_memory=out_of_memory)
    assert world.board.fate(0) is Fate.PRUNED
    assert world.start() is None


def test_a_unit_that_runs_for_a_pruned_configuration_is_not_taken_up_again() -> None:
    first = two_seeds_run_at_once()
    assert first.coordinator.report(0, 1, epoch(1, 0.1))
    first.coordinator.halt("interrupted")
    first.coordinator.stop()
    second = World(bar=0.5, budget={"units": 4}, past=first.heard)
    assert [event.reason for event in second.heard if isinstance(event, UnitPruned)][1:] == [
        "given up, as its configuration was"
    ]
    assert second.board.fate(0) is Fate.PRUNED
