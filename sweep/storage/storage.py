"""What a storage of shared files does: a folder that all machines see, or an object store."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from data.errors import UserError


class StorageError(UserError):
    """A place that is no storage, or does not do what a storage has to."""


class StorageAwayError(StorageError):
    """A storage that cannot even be opened, as its server does not answer; the server may later."""


class RefusedError(OSError):
    """A storage answered and said no: wrong credentials, no such bucket. Asking again does not help."""


class Storage(Protocol):
    """Files below one place, by names with slashes.

    What is written is there whole or not at all, and then every machine sees it. Every method raises OSError when the
    storage does not answer, RefusedError when it says no, and FileNotFoundError for a file that is not there.
    """

    place: str

    def read(self, name: str) -> bytes: ...

    def write(self, name: str, content: bytes) -> None: ...

    def upload(self, path: Path, name: str) -> None:
        """Copy a local file, of any size, to `name`."""
        ...

    def download(self, name: str, path: Path) -> None:
        """Copy `name` to a local file, which is torn when this raises."""
        ...

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Count the bytes of each file below `folder`, at any depth, by name below it; empty when nothing is there.

        Files that are written at this moment, or were when their writer died, are left out.
        """
        ...

    def entries(self) -> list[str]:
        """List the names of the files and folders directly in this place, sorted."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all in it; nothing happens when there is none."""
        ...
