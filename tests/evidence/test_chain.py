"""A journal in which somebody has changed, removed or inserted a line is seen to be changed, and where."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from evidence.chain import Chain, ChainCheck, check_chain
from sweep.study.events import (
    ConfigurationAdded,
    EpochReported,
    Event,
    StudyStarted,
    UnitFinished,
    UnitStarted,
)
from sweep.study.journal import Journal, read_journal
from tests.sweep.histories import epoch

EVENTS: list[Event] = [
    StudyStarted((1,)),
    ConfigurationAdded(0, {"patch_mix.beta": 1.0}),
    UnitStarted(0, 1),
    EpochReported(0, 1, epoch(1, 0.5)),
    UnitFinished(0, 1, 1),
]
REPORT = 5
"""Number of the line with the report; the first line is the header."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return written(tmp_path / "journal.jsonl", EVENTS)


def written(path: Path, events: list[Event]) -> Path:
    journal = Journal(path)
    for event in events:
        journal.write(event)
    journal.close()
    return path


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def without_check_sums(path: Path) -> None:
    """As a version wrote journals that knew no chains."""
    contents = [json.loads(line) for line in lines_of(path)]
    for content in contents:
        del content["chain"]
    path.write_text("".join(f"{json.dumps(content)}\n" for content in contents))


def edited(lines: list[bytes]) -> list[bytes]:
    lines[REPORT - 1] = lines[REPORT - 1].replace(b'"score": 0.5', b'"score": 0.9')
    return lines


def sealed_again(lines: list[bytes]) -> list[bytes]:
    """One line is changed, and its check sum made anew."""
    chain = Chain()
    for line in lines[: REPORT - 1]:
        chain.follows(line.rstrip(b"\n"))
    content = json.loads(edited(lines)[REPORT - 1])
    del content["chain"]
    lines[REPORT - 1] = chain.seal(json.dumps(content).encode()) + b"\n"
    return lines


def removed(lines: list[bytes]) -> list[bytes]:
    return lines[: REPORT - 1] + lines[REPORT:]


def stripped(lines: list[bytes]) -> list[bytes]:
    content = json.loads(lines[REPORT - 1])
    del content["chain"]
    lines[REPORT - 1] = json.dumps(content).encode() + b"\n"
    return lines


def swapped(lines: list[bytes]) -> list[bytes]:
    return [lines[0], lines[2], lines[1], *lines[3:]]


def inserted(lines: list[bytes]) -> list[bytes]:
    return [*lines[:REPORT], b'{"event": "NodeAccused", "node": "a", "reason": "b"}\n', *lines[REPORT:]]


def spaced(lines: list[bytes]) -> list[bytes]:
    """The content is as it was, its spelling is not."""
    lines[REPORT - 1] = lines[REPORT - 1].replace(b'"score": 0.5', b'"score":  0.5')
    return lines


def with_the_lines_of_windows(lines: list[bytes]) -> list[bytes]:
    return [line.replace(b"\n", b"\r\n") for line in lines]


def test_a_journal_that_nobody_changed_follows_line_by_line(path: Path) -> None:
    assert check_chain(path) == ChainCheck((), chained=True)
    assert check_chain(path).warning is None


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        (edited, (5,)),
        (sealed_again, (6,)),
        (removed, (5,)),
        (stripped, (5, 6)),
        (swapped, (2, 3, 4)),
        (inserted, (6, 7)),
        (spaced, (5,)),
    ],
)
def test_a_change_is_found_where_it_was_made(
    path: Path, change: Callable[[list[bytes]], list[bytes]], broken: tuple[int, ...]
) -> None:
    path.write_bytes(b"".join(change(lines_of(path))))
    assert check_chain(path) == ChainCheck(broken, chained=True)


def test_a_warning_names_the_first_lines_and_how_many_more() -> None:
    assert (ChainCheck((5,), chained=True).warning or "").startswith(
        "line 5 does not follow from the lines before;"
    )
    many = ChainCheck((5, 7, 8, 9, 12), chained=True).warning or ""
    assert many.startswith("lines 5, 7, 8 and 2 more do not follow")
    assert many.endswith("scores may have been edited")


@pytest.mark.parametrize("change", [edited, removed])
def test_a_changed_journal_goes_on_and_its_change_stays_seen(
    path: Path, change: Callable[[list[bytes]], list[bytes]]
) -> None:
    path.write_bytes(b"".join(change(lines_of(path))))
    past = list(read_journal(path))
    written(path, [ConfigurationAdded(1, {})])
    assert list(read_journal(path)) == [*past, ConfigurationAdded(1, {})]
    assert check_chain(path) == ChainCheck((5,), chained=True)


def test_a_journal_without_check_sums_is_read_and_says_nothing(path: Path) -> None:
    without_check_sums(path)
    assert list(read_journal(path)) == EVENTS
    assert check_chain(path) == ChainCheck((), chained=False)


def test_a_journal_without_check_sums_has_them_from_where_it_goes_on(path: Path) -> None:
    without_check_sums(path)
    written(path, [ConfigurationAdded(1, {}), UnitStarted(1, 1)])
    assert check_chain(path) == ChainCheck((), chained=True)
    # The first check sum is one of the lines without them, too.
    path.write_bytes(b"".join(edited(lines_of(path))))
    assert check_chain(path) == ChainCheck((7,), chained=True)


@pytest.mark.parametrize("left", range(1, 60, 7))
def test_a_chain_survives_a_torn_line(path: Path, left: int) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: -1 - left])
    assert check_chain(path) == ChainCheck((), chained=True)
    written(path, EVENTS[-1:])
    assert path.read_bytes() == content


def test_each_writer_goes_on_with_the_chain_of_the_one_before(tmp_path: Path, path: Path) -> None:
    piecewise = tmp_path / "piecewise.jsonl"
    for event in EVENTS:
        written(piecewise, [event])
    assert piecewise.read_bytes() == path.read_bytes()


def test_a_file_with_the_line_ends_of_windows_is_read_and_found_changed(path: Path) -> None:
    path.write_bytes(b"".join(with_the_lines_of_windows(lines_of(path))))
    assert list(read_journal(path)) == EVENTS
    # No line ends in its check sum any more.
    assert check_chain(path) == ChainCheck((1, 2, 3, 4, 5, 6), chained=True)


@pytest.mark.parametrize(
    "content", [b"", b"\n", b"\n\n", b"\xff\n", b'"chain": "\n', b'{}, "chain": "0123456789abcdef"}\n']
)
def test_any_bytes_have_an_answer(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_bytes(content)
    assert isinstance(check_chain(path), ChainCheck)
