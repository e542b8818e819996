"""Who read the official test part of a data set, when, with what, and what came out: a file of chained lines.

A reading has two lines: `sealed`, before the recordings of the test part are opened, and `read`, with the numbers. So a
reading of which nobody likes the numbers still shows. A study that asks for the test part at every epoch (`reads`:
`leak` or `published`) has a `sealed` line alone, written before its first unit: it reads for as long as it goes on.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from evidence.chain import Chain

Kind = Literal["sealed", "read"]
SEALED: tuple[str, ...] = (
    "study",
    "study_id",
    "task",
    "data_hash",
    "protocol",
    "recipe",
    "recipe_digest",
    "seeds",
    "weights",
    "thresholds",
)
"""What a seal fixes before the test part is opened; `weights`: the SHA-256 (hex) of each seed's."""
SEALED_FOR_A_STUDY: tuple[str, ...] = (
    "study",
    "study_id",
    "task",
    "data_hash",
    "protocol",
    "settings",
    "seeds",
)
"""What the seal of a study fixes whose units read the test part at every epoch; `settings`: those of its study file."""
ONCE = "once"


@dataclass(frozen=True)
class Seal:
    """Opens the test part of one data set for one reading; made when the reading's seal has been written down."""

    data_hash: str
    reading: int


class LedgerError(ValueError):
    """A ledger that is none, or does not take the next line; the message names the file."""


@dataclass(frozen=True)
class Entry:
    """A line of a ledger: its number from 1, its kind, when it was written, and what it says."""

    number: int
    kind: Kind
    at: str
    content: Mapping[str, Any]

    @property
    def id(self) -> str:
        """Name of the reading that is the same in every ledger, and in its seal and its numbers."""
        return str(self.content.get("id", ""))

    @property
    def reads(self) -> str:
        """Say how the test part is read: `once`, or at every epoch of a study, `leak` or `published`."""
        return str(self.content.get("reads", ONCE))

    @property
    def reading(self) -> int:
        """Number of the reading in this ledger, from 1, as the line itself says."""
        return int(self.content["reading"])


@dataclass(frozen=True)
class Ledger:
    """The lines of a ledger, the numbers of those that were altered, and whether the last one lacks its end."""

    entries: tuple[Entry, ...]
    altered: tuple[int, ...]
    torn: bool = False

    def readings(self, kind: Kind = "read") -> tuple[Entry, ...]:
        return tuple(entry for entry in self.entries if entry.kind == kind)

    def faults(self) -> list[str]:
        """Say what is wrong with this ledger, a line each; empty when nothing is.

        A line that was altered, one without its end, a number that comes twice or is left out, and a reading without its
        seal are wrong. A seal without its reading is not: the reading was broken off.
        """
        found = [f"line {number} does not follow from the lines before: altered" for number in self.altered]
        if self.torn:
            found.append("the last line has no end")
        sealed: set[int] = set()
        read: set[int] = set()
        for entry in self.entries:
            if entry.kind == "sealed":
                if entry.reading != len(sealed) + 1:
                    found.append(
                        f"line {entry.number}: reading {entry.reading} where {len(sealed) + 1} is due"
                    )
                sealed.add(entry.reading)
            elif entry.reading not in sealed or entry.reading in read:
                found.append(
                    f"line {entry.number}: reading {entry.reading} was not sealed before, or told before"
                )
            else:
                read.add(entry.reading)
        return found


def read_ledger(path: Path) -> Ledger:
    """Read a ledger; one without lines where there is no file.

    A last line without its end is passed over, and told as a fault. Raises LedgerError for lines that are no entries.
    """
    return parse_ledger(path.read_bytes() if path.exists() else b"", str(path))


def parse_ledger(content: bytes, name: str) -> Ledger:
    """Read the content of a ledger, called `name` in messages. Raises LedgerError for lines that are no entries."""
    chain, entries, altered = Chain(), [], []
    *lines, rest = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not chain.follows(line):
            altered.append(number)
        try:
            told = json.loads(line)
            kind, at = told.pop("entry"), str(told.pop("at"))
            told.pop("chain", None)
            if kind not in ("sealed", "read"):
                raise ValueError(f"entry {kind!r}")
            entry = Entry(number, kind, at, told)
            if entry.reading < 1:
                raise ValueError(f"reading {entry.reading}")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            shown = line[:80].decode(errors="replace")
            raise LedgerError(f"{name}:{number}: no line of a ledger: {shown!r}") from error
        entries.append(entry)
    return Ledger(tuple(entries), tuple(altered), bool(rest))


def appended(content: bytes, kind: Kind, at: str, told: Mapping[str, Any]) -> bytes:
    """Return the content of a ledger with one line more; a torn last line goes."""
    whole = content[: content.rfind(b"\n") + 1]
    chain = Chain()
    for line in whole.split(b"\n")[:-1]:
        chain.follows(line)
    line = json.dumps({"entry": kind, "at": at, **told}, allow_nan=False).encode()
    return whole + chain.seal(line) + b"\n"


def missing_from_seal(told: Mapping[str, Any]) -> Sequence[str]:
    """Name what a seal has to fix and this one does not."""
    due = SEALED if told.get("reads", ONCE) == ONCE else SEALED_FOR_A_STUDY
    return [name for name in due if name not in told]
