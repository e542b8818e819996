"""A unit whose worker is gone: whether it goes on elsewhere, and whether that counts as its failure."""

from sweep.study.units import State
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World


def test_a_unit_that_lost_its_worker_comes_first_until_it_did_too_often() -> None:
    world = World(max_failures=1)
    world.start()
    world.coordinator.report(0, 1, epoch(1, 0.5))
    world.coordinator.lost(0, 1, "node 7 is gone")
    assert world.board.unit(0, 1).state is State.WAITING
    assert world.start() == (0, 1)
    world.coordinator.lost(0, 1, "node 8 is gone\nTraceback")
    unit = world.board.unit(0, 1)
    assert unit.state is State.FAILED
    assert (
        unit.reason
        == "lost its worker more often than resources.max_failures allows: node 8 is gone\nTraceback"
    )


def test_nodes_that_are_taken_back_or_die_are_no_failure_of_a_unit_that_came_on() -> None:
    world = World(max_failures=0)
    world.start()
    for number in range(1, 5):
        world.coordinator.lost(0, 1, "taken back", cause="notice")
        assert world.start() == (0, 1)
        world.clock.now += 60
        world.coordinator.report(0, 1, epoch(number, 0.5))
        world.coordinator.lost(0, 1, "node 7 is gone", cause="node")
        assert world.start() == (0, 1)
    assert world.board.unit(0, 1).failures == 0


def test_a_unit_under_which_one_node_after_the_other_dies_may_be_what_kills_them() -> None:
    world = World(max_failures=1)
    world.start()
    for failures in (0, 1):
        world.clock.now += 60
        world.coordinator.lost(0, 1, "a node is gone", cause="node")
        assert world.start() == (0, 1)
        assert world.board.unit(0, 1).failures == failures
    world.coordinator.lost(0, 1, "a node is gone", cause="node")
    assert world.board.unit(0, 1).state is State.FAILED


def test_notice_between_two_deaths_of_nodes_acquits_a_unit_with_long_epochs() -> None:
    world = World(max_failures=0)
    world.start()
    for _ in range(5):
        for cause in ("node", "notice"):
            world.clock.now += 1800
            world.coordinator.lost(0, 1, "gone", cause=cause)
            assert world.start() == (0, 1)
    assert world.board.unit(0, 1).failures == 0


def test_a_full_memory_is_forgiven_once() -> None:
    world = World(max_failures=0)
    world.start()
    world.coordinator.lost(0, 1, "CUDA out of memory", out_of_memory=True)
    assert world.start() == (0, 1)
    assert world.board.unit(0, 1).out_of_memory
    world.coordinator.lost(0, 1, "CUDA out of memory", out_of_memory=True)
    assert (
        world.board.unit(0, 1).reason == "out of memory, with accumulated gradients too: CUDA out of memory"
    )
