import json
import math
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from data.settings import parse
from sweep.config.study_config import StudyConfig
from sweep.study.board import Board
from sweep.study.events import (
    Cause,
    ConfigurationAdded,
    ConfigurationDropped,
    EpochReported,
    Event,
    NodeAccused,
    StudyStarted,
    StudyStopped,
    UnitFailed,
    UnitFinished,
    UnitForgiven,
    UnitLost,
    UnitPlaced,
    UnitPruned,
    UnitStarted,
)
from sweep.study.journal import Journal, read_journal
from sweep.study.units import Fate, State
from tests.disks import disk_of
from tests.sweep.histories import write_journal

SEEDS = (1, 2)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.tuples(st.sampled_from(["time", "frequency"]), st.integers()),
)


NODES = st.sampled_from(["", "10.0.0.7/1f2e", "10.0.0.8/3d4c"])
STATES = st.dictionaries(
    st.sampled_from(["trial", "study"]),
    st.dictionaries(st.text(), st.one_of(st.integers(), st.text(), st.lists(st.integers())), max_size=2),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events that can happen one after the other."""
    board = Board()
    events: list[Event] = []
    for _ in range(draw(st.integers(0, 25))):
        event = draw(st.sampled_from(possible(draw, board)))
        board.apply(event)
        events.append(event)
    return events


def possible(draw: st.DrawFn, board: Board) -> list[Event]:
    at = draw(st.floats(0, 1e10))
    if not board.drivers or board.drivers[-1].ended is not None:
        return [StudyStarted(SEEDS, ("budget.configurations: 2 -> 3",), at=at)]
    values = draw(st.dictionaries(st.text(), VALUES, max_size=3))
    events: list[Event] = [
        StudyStopped(draw(st.text()), at=at),
        ConfigurationAdded(len(board.configurations), values, draw(STATES), at=at),
    ]
    for configuration in board.configurations:
        number = configuration.number
        if (seed := configuration.next_seed(board.seeds)) is not None and board.scores.open[number]:
            events.append(UnitStarted(number, seed, draw(st.booleans()), at=at))
            if not configuration.units_in(State.RUNNING, State.WAITING):
                events.append(ConfigurationDropped(number, draw(st.text()), at=at))
    events += [
        UnitForgiven(unit.configuration, unit.seed, at=at)
        for unit in board.units()
        if unit.state is State.FAILED
    ]
    events += [NodeAccused(name, draw(st.text()), at=at) for name in board.nodes]
    for number, seed in board.waiting:
        events += [UnitStarted(number, seed, at=at), UnitFailed(number, seed, draw(st.text()), at=at)]
    for (number, seed), unit in board.running.items():
        epochs = len(unit.curve)
        report = {"epoch": epochs + 1, "score": draw(st.floats(0, 1)), "confusion": [[1, 0], [2, 3]]}
        events += [
            EpochReported(number, seed, report, at=at),
            UnitPruned(number, seed, draw(st.text()), at=at),
            UnitFailed(number, seed, draw(st.text()), at=at),
            UnitLost(
                *(number, seed, draw(st.text()), draw(st.booleans()), draw(st.booleans())),
                cause=draw(st.sampled_from(get_args(Cause))),
                node=draw(NODES),
                at=at,
            ),
        ]
        if not unit.attempts or unit.attempts[-1].ended is not None:
            events.append(UnitPlaced(number, seed, draw(NODES), at=at))
        if epochs:
            events.append(UnitFinished(number, seed, draw(st.integers(1, epochs)), at=at))
    return events


def contents(board: Board) -> tuple[object, ...]:
    """All that a board says."""
    rates = [board.scores.metric(name).tolist() for name in ("score", "sensitivity")]
    table = [[[None if math.isnan(cell) else cell for cell in row] for row in rate] for rate in rates]
    return (
        board.configurations,
        (board.seeds, board.drivers, board.stopped, board.decisions),
        (list(board.running), list(board.waiting), board.nodes),
        (dict(board.ended), dict(board.device_seconds)),
        (table, board.scores.started.tolist(), board.scores.open.tolist()),
        [configuration.number for configuration in board.ranking()],
    )


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("journal") / "journal.jsonl"


@settings(max_examples=60, deadline=None)
@given(events=histories())
def test_what_was_written_is_read_back(path: Path, events: list[Event]) -> None:
    write_journal(path, events)
    assert list(read_journal(path)) == events


@settings(max_examples=60, deadline=None)
@given(events=histories(), data=st.data())
def test_any_prefix_of_a_journal_is_a_board(path: Path, events: list[Event], data: st.DataObject) -> None:
    write_journal(path, events)
    content = path.read_bytes()
    prefix = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(prefix)
    # The first line is the header; a line without its end was torn by the crash.
    whole = max(0, prefix.count(b"\n") - 1)
    replayed = Board(events=read_journal(path))
    assert contents(replayed) == contents(Board(events=events[:whole]))


@settings(max_examples=40, deadline=None)
@given(events=histories())
def test_replaying_twice_gives_the_board_of_once(path: Path, events: list[Event]) -> None:
    write_journal(path, events)
    once, twice = Board(events=read_journal(path)), Board(events=read_journal(path))
    assert contents(once) == contents(twice)


@settings(max_examples=40, deadline=None)
@given(events=histories(), data=st.data())
def test_a_journal_goes_on_where_a_crash_cut_it(path: Path, events: list[Event], data: st.DataObject) -> None:
    write_journal(path, events)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    kept = list(read_journal(path))
    journal = Journal(path)
    for event in events[len(kept) :]:
        journal.write(event)
    journal.close()
    assert list(read_journal(path)) == events


@settings(max_examples=60, deadline=None)
@given(events=histories())
def test_what_a_board_counts_on_the_way_is_what_its_units_say(events: list[Event]) -> None:
    board = Board(events=events)
    units = board.units()
    assert set(board.running) == {(u.configuration, u.seed) for u in units if u.state is State.RUNNING}
    assert set(board.waiting) == {(u.configuration, u.seed) for u in units if u.state is State.WAITING}
    assert board.started == len(units)
    for state in (State.FINISHED, State.PRUNED, State.FAILED):
        assert board.ended[state] == sum(unit.state is state for unit in units)
    for configuration in board.configurations:
        scores = board.scores.metric("score")[configuration.number]
        assert sorted(scores[~np.isnan(scores)].tolist()) == sorted(configuration.finished_values("score"))
        assert board.scores.started[configuration.number] == len(configuration.units)
    assert {one.number for one in board.ranking()} == {
        one.number for one in board.configurations if one.fate(board.seeds) is Fate.COMPLETE
    }


def test_an_event_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(UnitStarted(0, 1))
    assert list(read_journal(tmp_path / "journal.jsonl")) == [UnitStarted(0, 1)]
    journal.close()


def test_what_is_acted_on_is_on_disk_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, on_disk = tmp_path / "journal.jsonl", [0]
    monkeypatch.setattr(
        "sweep.study.journal.os.fsync", lambda _: on_disk.append(len(list(read_journal(path))))
    )
    journal = Journal(path)
    events: list[tuple[Event, int]] = [
        (StudyStarted(SEEDS), 1),
        # A point and a verdict are acted on by the next unit that starts.
        (ConfigurationAdded(0, {}), 1),
        (UnitStarted(0, 1, placed=False), 3),
        (UnitPlaced(0, 1, "10.0.0.7/1f2e"), 3),
        (EpochReported(0, 1, {"epoch": 1, "score": 0.5}), 3),
        # The checkpoint of a unit is removed when it has ended.
        (UnitFinished(0, 1, 1), 6),
        (ConfigurationDropped(0, "hopeless"), 6),
        (ConfigurationAdded(1, {}), 6),
        (UnitStarted(1, 1), 9),
        (UnitLost(1, 1, "the node died"), 10),
        (StudyStopped("interrupted"), 11),
    ]
    for event, safe in events:
        journal.write(event)
        assert on_disk[-1] == safe, event
    journal.close()


def test_every_line_is_an_object_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write_journal(path, [ConfigurationAdded(0, {"smoothing.blocks": (2, 3)}), UnitFailed(0, 1, "two\nlines")])
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [[*line][-1] for line in lines] == ["chain"] * 3
    header, added, failed = ({key: line[key] for key in line if key != "chain"} for line in lines)
    assert header == {"journal": "respsweep", "format": 2}
    assert added == {
        "event": "ConfigurationAdded",
        "at": 0.0,
        "configuration": 0,
        "values": {"smoothing.blocks": [2, 3]},
    }
    assert failed["reason"] == "two\nlines"


def test_a_number_that_json_lacks_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    with pytest.raises(ValueError, match="JSON"):
        journal.write(EpochReported(0, 1, {"epoch": 1, "score": float("nan")}))
    journal.close()
    assert list(read_journal(path)) == []


@pytest.mark.parametrize("length", [10, 5000, 9000, 20_000])
def test_an_event_that_met_a_full_disk_stands_before_the_next_one(tmp_path: Path, length: int) -> None:
    path = tmp_path / "journal.jsonl"
    added = ConfigurationAdded(0, {"backbone.name": "a" * length})
    events = [StudyStarted(SEEDS), added, UnitStarted(0, 1), UnitLost(0, 1, "interrupted")]
    stopped = StudyStopped("No space left on device")
    journal = Journal(path)
    journal.write(events[0])
    with disk_of(path.stat().st_size + length // 2):
        for event in events[1:]:
            with pytest.raises(OSError, match=r"File too large: .*journal\.jsonl"):
                journal.write(event)
            assert list(read_journal(path)) == events[:1]
    journal.write(stopped)
    journal.close()
    assert list(read_journal(path)) == [*events, stopped]


def test_a_journal_on_a_disk_that_stays_full_is_read_up_to_there_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    added = [ConfigurationAdded(number, {"backbone.name": "a" * 9000}) for number in range(3)]
    journal = Journal(path)
    with disk_of(15_000):
        journal.write(added[0])
        for _ in range(2):
            with pytest.raises(OSError, match="File too large"):
                journal.write(added[1])
    journal.close()
    assert list(read_journal(path)) == added[:1]
    write_more = Journal(path)
    write_more.write(added[2])
    write_more.close()
    assert list(read_journal(path)) == [added[0], added[2]]


def test_the_events_of_a_version_that_knew_no_nodes_are_read(path: Path) -> None:
    lines = [
        {"journal": "respsweep", "format": 2},
        {"event": "UnitPlaced", "at": 1.0, "configuration": 0, "seed": 1},
        {"event": "UnitLost", "at": 2.0, "configuration": 0, "seed": 1, "reason": "gone", "counts": True},
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert list(read_journal(path)) == [UnitPlaced(0, 1, at=1.0), UnitLost(0, 1, "gone", at=2.0)]


def test_a_list_of_pairs_is_read_as_the_study_has_it(path: Path) -> None:
    ranges = {"type": "categorical", "choices": [[[0, 63]], [[0, 15], [32, 47]]]}
    parameter = parse(StudyConfig, {"search": {"features.bands.ranges": ranges}}, "").search[
        "features.bands.ranges"
    ]
    added = ConfigurationAdded(0, {"features.bands.ranges": parameter.probes()[1]})
    write_journal(path, [added])
    (read,) = read_journal(path)
    assert read == added
    assert isinstance(read, ConfigurationAdded)
    assert parameter.admits(read.values["features.bands.ranges"])
