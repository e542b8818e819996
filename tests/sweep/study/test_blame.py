"""Whose fault a death is: whole studies on nodes of which some are broken, and units of which some kill."""

from typing import Any

import pytest

from sweep.study.blame import RETRY_AFTER_S
from sweep.study.board import Board
from sweep.study.events import Cause, UnitPlaced
from sweep.study.units import Fate, State
from tests.sweep.histories import epoch
from tests.sweep.study.fleets import Fleet, Kills
from tests.sweep.study.worlds import World

EIGHT = {f"n{number}": 1 for number in range(8)}
STUDY: dict[str, Any] = {"seeds": (1, 2), "budget": {"configurations": 30}}


def broken(
    *nodes: str, after_s: float = 20.0, cause: Cause = "worker", since: float = 0.0, until: float = 1e9
):
    """Units die on these nodes, when they come there between two times."""

    def fault(node: str, unit: tuple[int, int], now: float) -> Kills | None:
        return Kills(after_s, cause) if node in nodes and since <= now < until else None

    return fault


def deadly(*units: tuple[int, int], after_s: float = 20.0):
    """These units die wherever they come."""

    def fault(node: str, unit: tuple[int, int], now: float) -> Kills | None:
        return Kills(after_s) if unit in units else None

    return fault


def states(fleet: Fleet) -> dict[State, int]:
    return dict(fleet.board.ended)


@pytest.mark.parametrize("epoch_s", [60.0, 3600.0])
@pytest.mark.parametrize(
    ("after_s", "cause"),
    [pytest.param(20.0, "worker", id="bad GPU"), pytest.param(5.0, "machine", id="full cache disk")],
)
def test_one_broken_node_of_eight_costs_three_starts_and_no_configuration(
    epoch_s: float, after_s: float, cause: Cause
) -> None:
    fleet = Fleet(EIGHT, broken("n0", after_s=after_s, cause=cause), epoch_s=epoch_s, **STUDY)
    assert fleet.play_out() == "over"
    assert states(fleet) == {State.FINISHED: 60}
    assert fleet.placed("n0") == len(fleet.lost) == 3
    assert not any(event.counts for event in fleet.lost)
    first, second = fleet.accused
    assert first.node == second.node == "n0"
    assert first.reason == "2 units died there one after the other, at last 0008-seed1: it is broken"
    assert second.at >= first.at + RETRY_AFTER_S
    assert second.reason.endswith(" died there when it was tried again: it is broken")


def test_most_nodes_may_be_broken_while_one_is_in_a_long_first_epoch() -> None:
    seven = [name for name in EIGHT if name != "n7"]
    fleet = Fleet(EIGHT, broken(*seven), epoch_s=3600.0, seeds=(1,), budget={"configurations": 20})
    assert fleet.play_out() == "over"
    assert states(fleet) == {State.FINISHED: 20}
    assert len(fleet.lost) <= 3 * len(seven)


def test_a_node_that_was_mended_is_used_again_when_it_is_tried() -> None:
    fleet = Fleet(EIGHT, broken("n0", until=600.0), **STUDY)
    assert fleet.play_out() == "over"
    assert (len(fleet.accused), len(fleet.lost)) == (1, 2)
    assert fleet.placed("n0") > 3
    assert fleet.board.nodes["n0"].accused is None


def test_units_that_run_on_a_node_when_it_breaks_do_not_speak_for_it() -> None:
    fleet = Fleet({"n0": 4, "n1": 4}, broken("n0", after_s=5.0, cause="machine", since=300.0), **STUDY)
    assert fleet.play_out() == "over"
    assert states(fleet) == {State.FINISHED: 60}
    assert len(fleet.lost) <= 4 + 1 + 4, "the four places, one more unit, and the four places tried again"


def test_a_single_death_accuses_nobody_and_the_node_goes_on() -> None:
    fleet = Fleet(
        EIGHT, lambda node, unit, now: Kills(200.0) if (node, now) == ("n0", 0.0) else None, **STUDY
    )
    assert fleet.play_out() == "over"
    assert (len(fleet.lost), fleet.accused) == (1, [])
    assert fleet.placed("n0") > 7


def test_a_unit_that_dies_wherever_it_comes_fails_and_no_node_is_accused() -> None:
    fleet = Fleet(EIGHT, deadly((3, 1)), **STUDY)
    assert fleet.play_out() == "over"
    assert fleet.accused == []
    assert [(event.configuration, event.seed) for event in fleet.failed] == [(3, 1)]
    nodes = [event.node for event in fleet.lost]
    assert nodes[0] != nodes[1], "it goes on elsewhere"
    assert [event.counts for event in fleet.lost] == [False, True, True]
    assert states(fleet) == {State.FINISHED: 58, State.FAILED: 1}


@pytest.mark.parametrize("places", [1, 2])
def test_on_a_single_node_a_unit_that_dies_again_and_again_fails_and_the_others_do_not(places: int) -> None:
    fleet = Fleet({"n0": places}, deadly((3, 1)), **STUDY)
    assert fleet.play_out() == "over"
    assert fleet.accused == []
    assert states(fleet) == {State.FINISHED: 58, State.FAILED: 1}
    assert len(fleet.lost) == 3


def test_the_last_unit_of_a_single_node_fails_as_well() -> None:
    fleet = Fleet({"n0": 1}, deadly((3, 1)), seeds=(1,), budget={"configurations": 4})
    assert fleet.play_out() == "over"
    assert states(fleet) == {State.FINISHED: 3, State.FAILED: 1}


def test_on_a_single_node_a_unit_that_died_once_goes_on_at_once() -> None:
    fleet = Fleet({"n0": 1}, lambda node, unit, now: Kills(20.0) if now == 0.0 else None, **STUDY)
    fleet.play_out()
    begun = [(event.configuration, event.seed) for event in fleet.heard if isinstance(event, UnitPlaced)]
    assert begun[:3] == [(0, 1), (0, 1), (1, 1)]


@pytest.mark.parametrize(
    ("nodes", "cause"), [(EIGHT, "worker"), ({"n0": 1}, "worker"), ({"n0": 2}, "machine")]
)
def test_where_every_unit_dies_the_study_halts_and_nothing_has_failed(
    nodes: dict[str, int], cause: Cause
) -> None:
    fleet = Fleet(nodes, broken(*nodes, cause=cause), **STUDY)
    assert fleet.play_out() == "10 times a unit died, and no epoch was ended meanwhile; at last: it is broken"
    assert (fleet.failed, fleet.accused) == ([], [])
    assert {fleet.board.fate(each.number) for each in fleet.board.configurations} == {Fate.OPEN}


def test_ended_epochs_forgive() -> None:
    fleet = Fleet(EIGHT, lambda node, unit, now: Kills(90.0), seeds=(1,), budget={"configurations": 30})
    assert fleet.play_out() == "over"
    assert states(fleet) == {State.FINISHED: 30}
    assert not any(event.counts for event in fleet.lost)


def test_accused_nodes_are_used_where_no_other_is_left() -> None:
    fleet = Fleet({"n0": 1, "n1": 1}, broken("n0", until=60.0), **STUDY)
    while not fleet.accused:
        fleet.step()
    assert fleet.coordinator.barred({"n0", "n1"}) == {"n0"}
    assert fleet.coordinator.barred({"n0"}) == frozenset()


def test_the_next_driver_tries_every_node_again() -> None:
    first = Fleet(EIGHT, broken("n0"), until=1000.0, **STUDY)
    first.play_out()
    assert first.accused
    second = World(past=first.heard, **STUDY)
    assert second.coordinator.barred(EIGHT) == frozenset()


def test_the_events_of_a_study_with_a_broken_node_give_its_board_back() -> None:
    fleet = Fleet(EIGHT, broken("n0"), until=3000.0, **STUDY)
    fleet.play_out()
    replayed = Board(events=fleet.heard)
    assert replayed.nodes == fleet.board.nodes
    assert replayed.configurations == fleet.board.configurations


def test_a_unit_waits_for_another_node_than_the_one_on_which_it_died() -> None:
    world = World(seeds=(1,), budget={"configurations": 2}, slots=2)
    for node in ("a", "b"):
        number, seed = world.start() or (0, 0)
        world.coordinator.board.unit(number, seed).attempts[-1].node = node
    world.clock.now = 20.0
    world.coordinator.lost(0, 1, "it died")
    assert world.coordinator.next_unit(free={"a": 1, "b": 0}) is None
    assert world.coordinator.avoided(0, 1, {"a", "b"}) == {"a"}
    assert not world.coordinator.over
    world.train(1, 1, 0.5)
    started = world.coordinator.next_unit(free={"a": 1, "b": 1})
    assert started is not None
    assert started[0].number == 0


def test_where_no_node_is_known_every_death_of_a_worker_counts_and_none_of_a_machine() -> None:
    world = World(max_failures=9)
    world.start()
    deaths: list[tuple[Cause, int]] = [("worker", 1), ("machine", 1), ("worker", 2)]
    for cause, failures in deaths:
        world.coordinator.lost(0, 1, "it died", cause=cause)
        assert world.start() == (0, 1)
        assert world.board.unit(0, 1).failures == failures
    world.coordinator.report(0, 1, epoch(1, 0.5))
    assert world.board.unit(0, 1).failures == 0
