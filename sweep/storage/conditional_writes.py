"""A file that one writer of several changes, the others being refused: what a lock over machines is made of."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from sweep.storage.storage import Storage, StorageError

Version = Mapping[str, str]
"""What a store calls one state of a file: its entity tag, its generation."""


class ChangedError(OSError):
    """A file is not, or no longer, what its writer took it for; nothing was written."""


@dataclass(frozen=True)
class Stored:
    """A file as it was at one moment; `written` is when it was written, by the store's clock, in seconds since 1970."""

    content: bytes
    version: Version
    written: float


class ConditionalStorage(Storage, Protocol):
    """A storage that looks at a file's version and writes the next one in a single step."""

    def stored(self, name: str) -> Stored:
        """A file with its version. Raises FileNotFoundError, or OSError when the store does not answer."""
        ...

    def replace(self, name: str, content: bytes, version: Version | None) -> Version:
        """Write a file that still is at `version`, or, with None, is not there; returns the new version.

        Raises ChangedError otherwise. After any other OSError nobody knows whether the file was written.
        """
        ...


def probe(storage: ConditionalStorage) -> float:
    """Try on a file of its own whether a store honours conditions; returns the time by the store's clock, in s.

    Raises StorageError for a store that does not, or that does not know a version again which it told a reader, and
    OSError when the store does not answer.
    """
    name = f".probe-{uuid.uuid4().hex}"
    try:
        first = _written(storage, name, b"first", None)
        _written(storage, name, b"second", first)
        for outdated in (None, first):
            try:
                storage.replace(name, b"third", outdated)
            except ChangedError:
                continue
            raise StorageError(
                f"{storage.place}: this store ignores the conditions of writes ("
                + ("If-None-Match" if outdated is None else "If-Match")
                + "), so that two drivers could hold one study; use a version of the store that honours them, another "
                "store, or a folder that all machines see"
            )
        return storage.stored(name).written
    finally:
        with contextlib.suppress(OSError):
            storage.remove(name)


def _written(storage: ConditionalStorage, name: str, content: bytes, version: Version | None) -> Version:
    """Write a file that nobody else knows; returns its version as a reader, who may take a lease over, is told it."""
    # A client repeats a write whose answer was lost, and then is refused by what it wrote itself.
    with contextlib.suppress(ChangedError):
        storage.replace(name, content, version)
    stored = storage.stored(name)
    if stored.content != content:
        raise StorageError(
            f"{storage.place}: this store refuses a write as of the version (ETag) that it told a moment ago, so that "
            "no driver could take over the study of a dead one; use another store, or a folder that all machines see"
        )
    return stored.version
