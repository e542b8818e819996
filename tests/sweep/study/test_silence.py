"""Units of which nothing is heard: when people are told, when their workers are killed, and what follows."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from sweep.study.board import Board
from sweep.study.events import EpochReported, Event, StudyStarted, UnitLost, UnitPlaced, UnitStarted
from sweep.study.silence import Attention, Patience, always, hung, patience_s, silences
from sweep.study.units import State
from tests.sweep.histories import added, epoch
from tests.sweep.study.fleets import Fleet, Stops
from tests.sweep.study.worlds import World

MINUTE, HOUR = 60.0, 3600.0
STUDY: dict[str, Any] = {"seeds": (1, 2), "budget": {"configurations": 30}}


def began(*units: tuple[int, int], at: float = 0.0) -> list[Event]:
    """A study of two configurations whose units come to node `n` at a time."""
    started: list[Event] = [StudyStarted((1, 2), at=at), *added(0, 1)]
    for unit in units:
        started += [UnitStarted(*unit, placed=False, at=at), UnitPlaced(*unit, "n", at=at)]
    return started


def ended(unit: tuple[int, int], *times: float) -> Iterator[Event]:
    return (EpochReported(*unit, epoch(place), at=at) for place, at in enumerate(times, start=1))


watched = partial(Fleet, watched=True)


def killed_at(board: Board, patience: Patience = "auto") -> dict[tuple[int, int], float]:
    """After how many seconds of silence each running unit's worker would be killed."""
    return {unit: patience_s(board, board.unit(*unit), patience) for unit in board.running}


def test_a_unit_that_comes_on_or_waits_for_a_device_is_not_silent() -> None:
    board = Board(events=[*began((0, 1)), *ended((0, 1), 4.0, 8.0), UnitStarted(1, 1, placed=False, at=8.0)])
    assert silences(board, "auto", 30.0) == []
    assert hung(board, "auto", 30.0, always) is None
    (silence,) = silences(board, "auto", HOUR)
    assert silence.unit == (0, 1)


def test_people_are_told_of_more_than_three_epochs_and_half_a_minute() -> None:
    quick = Board(events=[*began((0, 1)), *ended((0, 1), 4.0, 8.0)])
    assert silences(quick, "auto", 38.0) == []
    assert list(map(str, silences(quick, "auto", 71.0))) == [
        "0000-seed1: no news for 1:03 (an epoch takes 0:04)"
    ]
    slow = Board(events=[*began((0, 1)), *ended((0, 1), 100.0, 200.0)])
    assert silences(slow, "auto", 500.0) == []
    assert list(map(str, silences(slow, "auto", 501.0))) == [
        "0000-seed1: no news for 5:01 (an epoch takes 1:40)"
    ]


def test_a_unit_in_its_first_epoch_is_held_to_the_longest_one_and_its_set_up_counts() -> None:
    board = Board(events=[*began((0, 1), (1, 1)), *ended((0, 1), 20.0, 24.0)])
    assert silences(board, "auto", 60.0) == []
    told = [str(silence) for silence in silences(board, "auto", 61.0)]
    assert told == [
        "0001-seed1: no news for 1:01 (the longest epoch took 0:20)",
        "0000-seed1: no news for 0:37 (an epoch takes 0:12)",
    ]


def test_before_any_epoch_people_are_told_after_ten_minutes() -> None:
    board = Board(events=began((0, 1)))
    assert silences(board, "auto", 600.0) == []
    assert list(map(str, silences(board, "auto", 601.0))) == [
        "0000-seed1: no news for 10:01 (no epoch was ended yet)"
    ]


def test_patience_is_ten_times_the_longest_epoch_but_ten_minutes() -> None:
    board = Board(events=[*began((0, 1), (1, 1)), *ended((0, 1), 4.0, 8.0)])
    assert killed_at(board) == {(0, 1): 600.0, (1, 1): 600.0}
    board.apply(EpochReported(0, 1, epoch(3), at=108.0))
    assert killed_at(board) == {(0, 1): 1000.0, (1, 1): 1000.0}


def test_patience_is_an_hour_before_any_epoch_of_the_present_driver() -> None:
    board = Board(events=[*began((0, 1)), *ended((0, 1), 4.0)])
    lost = UnitLost(0, 1, "its driver died", cause="driver", counts=False, at=5.0)
    board.apply(lost)
    board.drivers[-1].ended = 5.0
    board.apply(StudyStarted((1, 2), at=6.0))
    for event in (UnitStarted(0, 1, placed=False, at=6.0), UnitPlaced(0, 1, "m", at=6.0)):
        board.apply(event)
    assert killed_at(board) == {(0, 1): HOUR}
    board.apply(EpochReported(0, 1, epoch(2), at=126.0))
    assert killed_at(board) == {(0, 1): 1200.0}


def test_patience_may_be_set_in_hours_or_endless() -> None:
    board = Board(events=[*began((0, 1)), *ended((0, 1), 100.0)])
    assert killed_at(board, 0.5) == {(0, 1): HOUR / 2}
    assert hung(board, 0.5, 100.0 + HOUR / 2, always) is None
    silence = hung(board, 0.5, 101.0 + HOUR / 2, always)
    assert silence is not None
    assert silence.reason == "no news for 30:01, while an epoch takes 1:40 (resources.patience)"
    assert hung(board, None, 1e9, always) is None
    assert silences(board, None, 1e9)


def test_patience_with_a_unit_is_doubled_until_it_ends_an_epoch() -> None:
    board = Board(events=[*began((0, 1), (1, 1)), *ended((1, 1), 4.0)])
    for at, patience in ((1000.0, 2.0), (2000.0, 4.0), (3000.0, 8.0), (4000.0, 16.0)):
        board.apply(UnitLost(0, 1, "no news", cause="silence", at=at))
        board.apply(UnitStarted(0, 1, at=at))
        # What the other unit ends is no news of this one.
        board.apply(EpochReported(1, 1, epoch(len(board.unit(1, 1).curve) + 1), at=at + 1))
        longest = board.epoch_times.longest
        assert killed_at(board)[0, 1] == patience * max(600.0, 10 * longest)
        assert killed_at(board)[1, 1] == max(600.0, 10 * longest)
    board.apply(EpochReported(0, 1, epoch(1), at=4002.0))
    assert killed_at(board)[0, 1] == killed_at(board)[1, 1]


def test_patience_with_all_is_doubled_up_to_eight_times_while_nobody_ends_an_epoch() -> None:
    units = [(0, 1), (0, 2), (1, 1), (1, 2)]
    board = Board(events=began(*units))
    for place, patience in enumerate((2, 4, 8, 8)):
        board.apply(UnitLost(0, 1, "no news", cause="silence", at=float(place)))
        board.apply(UnitStarted(0, 1, at=float(place)))
        assert killed_at(board)[1, 2] == patience * HOUR
    board.apply(EpochReported(1, 1, epoch(1), at=10.0))
    assert killed_at(board)[1, 2] == 600.0


def test_of_several_that_hang_one_is_killed_at_a_time() -> None:
    world = World(seeds=(1,), budget={"configurations": 3}, slots=3)
    for _ in range(3):
        world.start()
    killed = []
    for second in range(0, 20_000, 2):
        world.clock.now = float(second)
        if (silence := world.coordinator.hung()) is not None:
            killed.append((second, silence.unit))
            world.coordinator.lost(*silence.unit, silence.reason, cause="silence")
            world.coordinator.next_unit(placed=False)
    assert killed == [(3602, (0, 1)), (7202, (1, 1)), (14402, (2, 1))]
    assert not any(event.counts for event in world.heard if isinstance(event, UnitLost) and event.node)


def test_a_unit_that_trains_known_epochs_once_more_is_not_silent() -> None:
    world = World(seeds=(1,), budget={"configurations": 1}, slots=1)
    world.start()
    for number in range(1, 11):
        world.clock.now += 60
        world.coordinator.report(0, 1, epoch(number, 0.5))
    world.coordinator.lost(0, 1, "killed")
    world.coordinator.next_unit()
    known = list(world.heard)
    for number in range(1, 11):
        for _ in range(110):
            world.clock.now += 5
            assert world.coordinator.hung() is None
        assert world.coordinator.silences()
        world.coordinator.report(0, 1, epoch(number, 0.5))
        assert world.coordinator.silences() == []
    assert world.heard == known
    assert not world.board.unit(0, 1).came_on
    for _ in range(120):
        world.clock.now += 5
        assert world.coordinator.hung() is None
    world.clock.now += 5
    silence = world.coordinator.hung()
    assert silence is not None
    assert silence.seconds == 605.0


def test_time_in_which_the_driver_does_not_listen_is_no_silence() -> None:
    attention = Attention()
    assert attention.away(0.0, 100.0) == 0.0
    for now in (0.0, 1.0, 5.0):
        attention.listen(now)
    assert attention.away(0.0, 9.0) == 0.0
    assert attention.away(0.0, 65.0) == 60.0
    attention.listen(65.0)
    attention.listen(66.0)
    assert attention.away(0.0, 66.0) == 60.0
    assert attention.away(45.0, 66.0) == 20.0
    assert attention.away(65.0, 66.0) == 0.0
    attention.forget(65.0)
    assert attention.away(0.0, 66.0) == 0.0


def test_a_driver_that_was_stopped_kills_nobody_and_tells_of_nobody() -> None:
    world = World(seeds=(1,))
    world.start()
    for now in (0.0, 2.0, 4.0, 9 * HOUR):
        world.clock.now = now
        assert world.coordinator.hung() is None
        assert world.coordinator.silences() == []
    # Four seconds of silence were heard before.
    for _ in range(int(HOUR) // 4 - 1):
        world.clock.now += 4
        assert world.coordinator.hung() is None
    world.clock.now += 4
    silence = world.coordinator.hung()
    assert silence is not None
    assert silence.seconds == HOUR + 4


def test_a_stopped_unit_of_an_old_driver_is_not_silent_under_the_next() -> None:
    first = World(seeds=(1,))
    first.start()
    second = World(seeds=(1,), past=first.heard, last_sign=1.0)
    second.clock.now = 9 * HOUR
    assert second.coordinator.hung() is None
    assert second.board.unit(0, 1).state is State.WAITING


def stopping_on_n0(after_s: float) -> Fleet:
    """Eight nodes, on one of which every unit stops after a while."""
    nodes = {f"n{number}": 1 for number in range(8)}
    return watched(nodes, lambda node, unit, now: Stops(after_s) if node == "n0" else None, **STUDY)


def test_a_node_on_which_units_hang_is_accused_as_one_on_which_they_die() -> None:
    fleet = stopping_on_n0(0.0)
    assert fleet.play_out() == "over"
    assert dict(fleet.board.ended) == {State.FINISHED: 60}
    assert fleet.placed("n0") == len(fleet.lost) == 3
    assert {(event.cause, event.counts) for event in fleet.lost} == {("silence", False)}
    first, _ = fleet.accused
    assert first.node == "n0"
    assert first.reason.startswith("2 units died there one after the other, at last ")
    assert first.reason.endswith(
        ": no news for 10:02, while the longest epoch took 1:00 (resources.patience)"
    )


def test_a_node_on_which_units_hang_between_epochs_costs_time_and_no_configuration() -> None:
    fleet = stopping_on_n0(250.0)
    assert fleet.play_out() == "over"
    assert dict(fleet.board.ended) == {State.FINISHED: 60}
    assert {(event.node, event.cause, event.counts) for event in fleet.lost} == {("n0", "silence", False)}


def test_a_unit_that_always_hangs_fails_at_last_and_the_others_do_not() -> None:
    fleet = watched(
        {"n0": 1, "n1": 1}, lambda node, unit, now: Stops(5.0) if unit == (3, 1) else None, **STUDY
    )
    assert fleet.play_out() == "over"
    assert dict(fleet.board.ended) == {State.FINISHED: 58, State.FAILED: 1}
    reason = fleet.board.unit(3, 1).reason or ""
    assert "lost its worker more often than resources.max_failures allows: no news for 1:20:0" in reason


def test_first_epochs_of_hours_cost_some_a_worker_and_nobody_a_configuration() -> None:
    nodes = {f"n{number}": 1 for number in range(16)}
    fleet = watched(nodes, lambda node, unit, now: None, epochs=1, epoch_s=7 * HOUR, seeds=(1,))
    assert fleet.play_out() == "over"
    assert dict(fleet.board.ended) == {State.FINISHED: 20}
    assert len(fleet.lost) <= 3


def test_one_configuration_much_slower_than_the_others_ends_all_the_same() -> None:
    class SlowThird(Fleet):
        def _begin(self, number: int, seed: int, node: str) -> None:
            self._epoch_s = 2400.0 if number == 2 else 5.0
            super()._begin(number, seed, node)

    fleet = SlowThird({"n0": 1, "n1": 1}, lambda node, unit, now: None, epochs=3, watched=True, **STUDY)
    assert fleet.play_out() == "over"
    assert dict(fleet.board.ended) == {State.FINISHED: 60}
    assert 0 < len(fleet.lost) <= 2 * 3


def test_the_events_of_a_study_with_units_that_hang_give_its_board_back() -> None:
    fleet = watched(
        {"n0": 1, "n1": 2},
        lambda node, unit, now: Stops(70.0) if node == "n0" and now < HOUR else None,
        until=2.5 * HOUR,
        **STUDY,
    )
    fleet.play_out()
    assert fleet.lost
    replayed, board = Board(events=fleet.heard), fleet.board
    assert replayed.configurations == board.configurations
    assert replayed.nodes == board.nodes
    assert (replayed.silences, replayed.epoch_times.longest) == (board.silences, board.epoch_times.longest)
    now = fleet.clock.now
    assert silences(replayed, "auto", now) == silences(board, "auto", now)
