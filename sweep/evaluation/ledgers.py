"""Where the readings of a test part are written down: beside the study that read, and beside the data that were read."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from data.atomic import make_folder, write_whole
from data.errors import UserError
from evidence.ledger import Kind, Ledger, LedgerError, Seal, appended, missing_from_seal, parse_ledger
from sweep.folder.study_folder import StudyFolder
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import below, open_storage

LEDGER = "ledger.jsonl"


class ReadingError(UserError):
    """A test part that cannot be read, or a ledger that cannot be."""


@dataclass(frozen=True)
class LedgerOf:
    """A ledger by its place: `whose` readings it holds, in words, and its lines."""

    whose: str
    place: str
    ledger: Ledger


class Ledgers:
    """The three ledgers of a study: its own; that of the data beside all studies of its place; that of this machine.

    A second study on the same recordings finds the earlier readings in the other two.
    """

    def __init__(self, folder: StudyFolder, data_hash: str, cache: Path | None = None) -> None:
        self._data_hash = data_hash
        self._local = (cache or cache_folder()) / "ledgers" / f"{data_hash}.jsonl"
        self._stored = {
            f"of the study {folder.name}": (folder.place, LEDGER),
            "of these recordings, by studies of the same place": (
                below(folder.studies, ".ledgers"),
                f"{data_hash}.jsonl",
            ),
        }

    def all(self) -> list[LedgerOf]:
        """Read the three. Raises ReadingError for one that is no ledger, and OSError when its place does not answer."""
        found = [
            LedgerOf(whose, f"{place}/{name}", _parsed(_content(place, name), f"{place}/{name}"))
            for whose, (place, name) in self._stored.items()
        ]
        local = self._local.read_bytes() if self._local.exists() else b""
        whose = "of these recordings, on this machine"
        return [*found, LedgerOf(whose, str(self._local), _parsed(local, str(self._local)))]

    def readings(self) -> int:
        """Count the readings of these recordings that any of the ledgers knows, sealed or done."""
        return max(len(each.ledger.readings("sealed")) for each in self.all())

    def seal(self, told: Mapping[str, Any]) -> Seal:
        """Write down what a reading will be of, in every ledger, and return what opens the test part.

        Raises ReadingError when something is missing from what is told, or a ledger is none.
        """
        if missing := missing_from_seal(told):
            raise ReadingError(f"a reading is not sealed without {', '.join(missing)}")
        self._append("sealed", told, new=True)
        return Seal(self._data_hash, self.readings())

    def read(self, told: Mapping[str, Any]) -> None:
        """Write down what the sealed reading came to, in every ledger."""
        self._append("read", told, new=False)

    def _append(self, kind: Kind, told: Mapping[str, Any], *, new: bool) -> None:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        make_folder(self._local.parent)
        with FileLock(self._local.with_suffix(".lock")):
            for place, name in self._stored.values():
                content = _grown(_content(place, name), f"{place}/{name}", kind, at, told, new=new)
                open_storage(place).write(name, content)
            local = self._local.read_bytes() if self._local.exists() else b""
            write_whole(self._local, _grown(local, str(self._local), kind, at, told, new=new).decode())


def _grown(content: bytes, name: str, kind: Kind, at: str, told: Mapping[str, Any], *, new: bool) -> bytes:
    """Add a line to a ledger; a seal begins the next reading of that ledger."""
    before = len(_parsed(content, name).readings("sealed"))
    return appended(content, kind, at, {**told, "reading": before + new})


def _content(place: str, name: str) -> bytes:
    try:
        return open_storage(place).read(name)
    except FileNotFoundError:
        return b""


def _parsed(content: bytes, name: str) -> Ledger:
    try:
        return parse_ledger(content, name)
    except LedgerError as error:
        raise ReadingError(str(error)) from error
