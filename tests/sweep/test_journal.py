import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.board import (
    Board,
    ConfigurationAdded,
    EpochReported,
    Event,
    State,
    UnitFailed,
    UnitFinished,
    UnitPruned,
    UnitStarted,
)
from sweep.journal import Journal, JournalError, read_journal

SEEDS = (1, 2)
VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(),
    st.tuples(st.sampled_from(["time", "frequency"]), st.integers()),
)


@st.composite
def histories(draw: st.DrawFn) -> list[Event]:
    """Events that can happen one after the other."""
    board = Board(SEEDS)
    events: list[Event] = []
    for _ in range(draw(st.integers(0, 20))):
        values = draw(st.dictionaries(st.text(), VALUES, max_size=3))
        possible: list[Event] = [ConfigurationAdded(len(board.configurations), values)]
        if waiting := board.waiting_unit():
            possible.append(UnitStarted(*waiting))
        for unit in board.units():
            if unit.state is State.RUNNING:
                number, seed, epochs = unit.configuration, unit.seed, len(unit.curve)
                report = {"epoch": epochs + 1, "score": draw(st.floats(0, 1)), "confusion": [[1, 0], [2, 3]]}
                possible += [EpochReported(number, seed, report), UnitPruned(number, seed, draw(st.text()))]
                possible.append(UnitFailed(number, seed, draw(st.text())))
                if epochs:
                    possible.append(UnitFinished(number, seed, draw(st.integers(1, epochs))))
        event = draw(st.sampled_from(possible))
        board.apply(event)
        events.append(event)
    return events


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file that every example writes anew."""
    return tmp_path_factory.mktemp("journal") / "journal.jsonl"


def write(path: Path, events: list[Event]) -> None:
    path.unlink(missing_ok=True)
    journal = Journal(path)
    for event in events:
        journal.write(event)
    journal.close()


@settings(max_examples=60, deadline=None)
@given(events=histories())
def test_what_was_written_is_read_back(path: Path, events: list[Event]) -> None:
    write(path, events)
    assert list(read_journal(path)) == events


@settings(max_examples=60, deadline=None)
@given(events=histories(), data=st.data())
def test_any_prefix_of_a_journal_is_a_board(path: Path, events: list[Event], data: st.DataObject) -> None:
    write(path, events)
    content = path.read_bytes()
    prefix = content[: data.draw(st.integers(0, len(content)))]
    path.write_bytes(prefix)
    # The first line is the header; a line without its end was torn by the crash.
    whole = max(0, prefix.count(b"\n") - 1)
    replayed = Board(SEEDS, read_journal(path))
    assert replayed.configurations == Board(SEEDS, events[:whole]).configurations


@settings(max_examples=40, deadline=None)
@given(events=histories())
def test_replaying_twice_gives_the_board_of_once(path: Path, events: list[Event]) -> None:
    write(path, events)
    once, twice = Board(SEEDS, read_journal(path)), Board(SEEDS, read_journal(path))
    assert once.configurations == twice.configurations
    assert once.waiting_unit() == twice.waiting_unit()


@settings(max_examples=40, deadline=None)
@given(events=histories(), data=st.data())
def test_a_journal_goes_on_where_a_crash_cut_it(path: Path, events: list[Event], data: st.DataObject) -> None:
    write(path, events)
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    kept = list(read_journal(path))
    journal = Journal(path)
    for event in events[len(kept) :]:
        journal.write(event)
    journal.close()
    assert list(read_journal(path)) == events


def test_an_event_is_on_disk_as_soon_as_it_is_written(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    journal.write(UnitStarted(0, 1))
    assert list(read_journal(tmp_path / "journal.jsonl")) == [UnitStarted(0, 1)]
    journal.close()


def test_every_line_is_an_object_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, [ConfigurationAdded(0, {"smoothing.blocks": (2, 3)}), UnitFailed(0, 1, "two\nlines")])
    header, added, failed = map(json.loads, path.read_text().splitlines())
    assert header == {"journal": "respsweep", "format": 1}
    assert added == {
        "event": "ConfigurationAdded",
        "configuration": 0,
        "values": {"smoothing.blocks": [2, 3]},
    }
    assert failed["reason"] == "two\nlines"


@pytest.mark.parametrize("line", ["not JSON", "[]", '{"event": "UnitSold"}', '{"event": "UnitStarted"}', ""])
def test_a_line_that_is_no_event_is_refused_with_its_number(tmp_path: Path, line: str) -> None:
    path = tmp_path / "journal.jsonl"
    write(path, [ConfigurationAdded(0, {})])
    with path.open("a") as file:
        file.write(f"{line}\n")
    with pytest.raises(JournalError, match=r"journal\.jsonl:3: not an event"):
        list(read_journal(path))


def test_the_journal_of_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"journal": "respsweep", "format": 99}\n')
    with pytest.raises(JournalError, match="journal format 99, this version reads 1"):
        list(read_journal(path))


def test_a_missing_journal_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match=r"none\.jsonl: cannot be read: No such file"):
        list(read_journal(tmp_path / "none.jsonl"))


def test_a_number_that_json_lacks_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    journal = Journal(path)
    with pytest.raises(ValueError, match="JSON"):
        journal.write(EpochReported(0, 1, {"epoch": 1, "score": float("nan")}))
    journal.close()
    assert list(read_journal(path)) == []
