"""A unit that cannot be finished, and what becomes of its configuration."""

from sweep.study.units import Fate
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
