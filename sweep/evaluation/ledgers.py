"""Where the readings of a test part are written down: beside the study that read, and beside the data that were read."""

from __future__ import annotations

import datetime
import hashlib
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from data.atomic import make_folder
from data.dataset import TRAINING_PART, DataSet
from data.digests import file_digests
from data.errors import UserError
from evidence.ledger import (
    ONCE,
    Entry,
    Kind,
    Ledger,
    LedgerError,
    Seal,
    appended,
    missing_from_seal,
    parse_ledger,
)
from sweep.folder.study_folder import StudyFolder
from sweep.storage.cache_folder import cache_folder
from sweep.storage.open_storage import below, open_storage
from sweep.storage.patience import patiently

LEDGER = "ledger.jsonl"
KEPT = ".ledgers"
"""Place beside the studies where ledgers of readings are kept."""


class ReadingError(UserError):
    """A test part that cannot be read, or a ledger that cannot be."""


@dataclass(frozen=True)
class LedgerOf:
    """A ledger by its place: `whose` readings it holds, in words, and its lines."""

    whose: str
    place: str
    ledger: Ledger


def part_hash(data: DataSet) -> str:
    """SHA-256 (hex) of the audio of the official test parts, wherever the files lie and whatever else there is.

    Readings are written down under it, so that those of a data set whose training part or annotations were changed are
    found all the same.
    """
    paths = [recording.path for recording in data.recordings if recording.part != TRAINING_PART]
    return hashlib.sha256("\n".join(sorted(file_digests(paths))).encode()).hexdigest()


def own_ledger(folder: StudyFolder) -> Ledger:
    """Read a study's own ledger, which is empty where nothing was read. Raises ReadingError for one that is none."""
    return _parsed(_content(folder.place, LEDGER), below(folder.place, LEDGER))


class Ledgers:
    """The three ledgers of a study: its own; that of the data beside all studies of its place; that of this machine.

    A second study on the same recordings finds the earlier readings in the other two. A reading has the same id in each.
    """

    def __init__(self, folder: StudyFolder, tested: str, cache: Path | None = None) -> None:
        """Name the ledgers of a study and of the data whose test part has the hash `tested` (`part_hash`)."""
        self._study = folder.name
        self._study_id = folder.provenance().get("study_id") if folder.provenance_file.exists() else None
        ledgers = (cache or cache_folder()) / "ledgers"
        self._lock = ledgers / f"{tested}.lock"
        self._places = {
            f"of the study {folder.name}": (folder.place, LEDGER),
            "of these recordings, by studies of the same place": (
                below(folder.studies, KEPT),
                f"{tested}.jsonl",
            ),
            "of these recordings, on this machine": (str(ledgers), f"{tested}.jsonl"),
        }

    def all(self) -> list[LedgerOf]:
        """Read the three, the study's own first. Raises ReadingError for one that is none, or whose place is away."""
        return [
            LedgerOf(whose, below(place, name), _parsed(_content(place, name), below(place, name)))
            for whose, (place, name) in self._places.items()
        ]

    def readings(self) -> int:
        """Count the readings of these recordings that any of the ledgers knows, sealed or done."""
        return len({entry.id for each in self.all() for entry in each.ledger.readings("sealed")})

    def studies_at_every_epoch(self) -> list[str]:
        """Name the studies that read these recordings at every epoch, as any of the ledgers knows; sorted."""
        sealed = [entry for each in self.all() for entry in each.ledger.readings("sealed")]
        return sorted({str(entry.content.get("study")) for entry in sealed if entry.reads != ONCE})

    def seal_of(self, study_id: str) -> Entry | None:
        """Find the seal by which the study of that id reads the test part at every epoch; None when there is none."""
        own = self.all()[0].ledger.readings("sealed")
        return next(
            (entry for entry in own if entry.reads != ONCE and entry.content.get("study_id") == study_id),
            None,
        )

    def faults(self) -> list[str]:
        """Say what is wrong with the three, and what is in one and was taken out of another; empty when nothing is."""
        own, *others = self.all()
        found = [f"{each.place}: {fault}" for each in (own, *others) for fault in each.ledger.faults()]
        for other in others:
            for one, two in ((own, other), (other, own)):
                lines = [entry for entry in one.ledger.entries if self._is_of_the_study(entry)]
                there = {(entry.kind, entry.id) for entry in two.ledger.entries}
                # Another machine, or place, was not told of what was read before it took part.
                if two is other and not there:
                    continue
                found += [
                    f"{two.place}: lacks the line `{entry.kind}` of {entry.at}, which {one.place} has"
                    for entry in lines
                    if (entry.kind, entry.id) not in there
                ]
        return found

    def _is_of_the_study(self, entry: Entry) -> bool:
        """Tell by its id, as the study may have had another name; by the name where no id is known."""
        theirs = entry.content.get("study_id")
        if self._study_id is not None and theirs is not None:
            return theirs == self._study_id
        return entry.content.get("study") == self._study

    def seal(self, told: Mapping[str, Any], data_hash: str) -> tuple[Seal, str]:
        """Write down what a reading will be of, in every ledger; returns what opens the test part, and the reading's id.

        Raises ReadingError when something is missing from what is told, or a ledger is none.
        """
        if missing := missing_from_seal(told):
            raise ReadingError(f"a reading is not sealed without {', '.join(missing)}")
        name = uuid.uuid4().hex
        with self._locked():
            self._append("sealed", {**told, "id": name})
            return Seal(data_hash, self.readings()), name

    def read(self, told: Mapping[str, Any], name: str) -> None:
        """Write down what the sealed reading of that id came to, in every ledger."""
        with self._locked():
            self._append("read", {**told, "id": name})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        make_folder(self._lock.parent)
        with FileLock(self._lock):
            yield

    def _append(self, kind: Kind, told: Mapping[str, Any]) -> None:
        at = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
        grown = {
            (place, name): _grown(_content(place, name), below(place, name), kind, at, told)
            for place, name in self._places.values()
        }
        for (place, name), content in grown.items():
            try:
                patiently(
                    lambda place=place, name=name, content=content: open_storage(place).write(name, content)
                )
            except OSError as error:
                raise ReadingError(f"{below(place, name)}: cannot be written: {error}") from error


def _grown(content: bytes, place: str, kind: Kind, at: str, told: Mapping[str, Any]) -> bytes:
    """Add a line to a ledger; a seal begins its next reading, and numbers go to the reading of their id."""
    sealed = _parsed(content, place).readings("sealed")
    own = [entry.reading for entry in sealed if entry.id == told["id"]]
    return appended(content, kind, at, {**told, "reading": own[0] if own else len(sealed) + 1})


def _content(place: str, name: str) -> bytes:
    try:
        return patiently(lambda: open_storage(place).read(name))
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise ReadingError(f"{below(place, name)}: cannot be read: {error}") from error


def _parsed(content: bytes, place: str) -> Ledger:
    try:
        return parse_ledger(content, place)
    except LedgerError as error:
        raise ReadingError(str(error)) from error
