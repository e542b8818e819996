"""A ledger shows every reading, and every change to its lines."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from evidence.ledger import (
    SEALED,
    SEALED_FOR_A_STUDY,
    Ledger,
    LedgerError,
    appended,
    missing_from_seal,
    parse_ledger,
    read_ledger,
)


def seal(reading: int, **changes: Any) -> dict[str, Any]:
    return {**dict.fromkeys(SEALED, "..."), "reading": reading, **changes}


@pytest.fixture
def content() -> bytes:
    content = b""
    for reading in (1, 2):
        content = appended(content, "sealed", "2026-11-29T04:00:00+00:00", seal(reading))
        content = appended(
            content, "read", "2026-11-29T04:01:00+00:00", {"reading": reading, "score": 0.5 + reading / 100}
        )
    return content


def test_lines_come_back_as_they_were_written(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "ledger.jsonl").write_bytes(content)
    ledger = read_ledger(tmp_path / "ledger.jsonl")
    assert [(entry.kind, entry.reading) for entry in ledger.entries] == [
        ("sealed", 1),
        ("read", 1),
        ("sealed", 2),
        ("read", 2),
    ]
    assert [entry.content["score"] for entry in ledger.readings()] == [0.51, 0.52]
    assert ledger.faults() == []
    assert read_ledger(tmp_path / "none.jsonl") == Ledger((), ())


def test_a_torn_line_is_passed_over_and_written_over(content: bytes) -> None:
    torn = content[:-20]
    assert len(parse_ledger(torn, "ledger").entries) == 3
    assert parse_ledger(torn, "ledger").faults() == ["the last line has no end"]
    mended = parse_ledger(appended(torn, "read", "later", {"reading": 2, "score": 0.5}), "ledger")
    assert mended.readings()[1].content["score"] == 0.5
    assert mended.faults() == []


def test_every_changed_byte_is_seen(content: bytes) -> None:
    random = np.random.default_rng(1)
    end = content.rfind(b"\n")
    for place in random.choice(end, 300, replace=False).tolist():
        changed = bytearray(content)
        changed[place] ^= 1 << int(random.integers(7))
        try:
            ledger = parse_ledger(bytes(changed), "ledger")
        except LedgerError:
            continue
        assert ledger.faults(), (place, chr(content[place]))


def test_a_removed_a_moved_and_an_invented_line_are_seen(content: bytes) -> None:
    lines = content.splitlines(keepends=True)
    invented = json.dumps({"entry": "read", "at": "now", "reading": 1, "score": 0.9}).encode() + b"\n"
    for changed in (lines[2:], lines[:1] + lines[2:], [lines[1], lines[0], *lines[2:]], [*lines, invented]):
        assert any("altered" in fault for fault in parse_ledger(b"".join(changed), "ledger").faults())


def test_a_reading_needs_its_seal_and_its_number() -> None:
    unsealed = appended(b"", "read", "now", {"reading": 1})
    assert parse_ledger(unsealed, "ledger").faults() == [
        "line 1: reading 1 was not sealed before, or told before"
    ]
    skipped = appended(b"", "sealed", "now", seal(2))
    assert parse_ledger(skipped, "ledger").faults() == ["line 1: reading 2 where 1 is due"]


def test_numbers_that_are_told_twice_are_seen(content: bytes) -> None:
    again = appended(content, "read", "now", {"reading": 2, "score": 0.9})
    assert parse_ledger(again, "ledger").faults() == [
        "line 5: reading 2 was not sealed before, or told before"
    ]


def test_a_seal_that_was_broken_off_is_no_fault() -> None:
    assert parse_ledger(appended(b"", "sealed", "now", seal(1)), "ledger").faults() == []


@pytest.mark.parametrize("line", [b"{}", b"7", b'{"entry": "sold", "at": "", "reading": 1}', b"\xff", b"[]"])
def test_what_is_no_ledger_is_named_with_its_line(line: bytes, content: bytes) -> None:
    with pytest.raises(LedgerError, match=r"ledger:5: no line of a ledger"):
        parse_ledger(content + line + b"\n", "ledger")


def test_a_seal_names_all_that_decides() -> None:
    assert missing_from_seal(seal(1)) == []
    assert missing_from_seal({"study": "first"}) == list(SEALED[1:])


@pytest.mark.parametrize("reads", ["leak", "published"])
def test_the_seal_of_a_study_names_what_a_study_decides(reads: str, content: bytes) -> None:
    told = {**dict.fromkeys(SEALED_FOR_A_STUDY, "..."), "reads": reads}
    assert missing_from_seal(told) == []
    del told["settings"]
    assert missing_from_seal(told) == ["settings"]
    ledger = parse_ledger(appended(content, "sealed", "now", {**told, "reading": 3}), "ledger")
    assert ledger.faults() == []
    assert [entry.reads for entry in ledger.readings("sealed")] == ["once", "once", reads]
