"""Where shared files lie: a folder that all machines see, or an object store named by a URI."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import shutil
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol, TypeVar

from data.errors import UserError
from sweep.storage.credentials import secret_in, without_secret

URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
REFUSAL = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY_ID|SIGNATURE_DOES_NOT_MATCH|NO_SUCH_BUCKET|EXPIRED|UNRECOGNIZED_CLIENT|"
    r"INVALID_CLIENT_TOKEN_ID|HTTP status (401|403)|PERMISSION_DENIED|UNAUTHENTICATED|Forbidden|Unauthorized|"
    r"credentials",
    re.I,
)
"""How pyarrow and fsspec tell that a store answered, and said no."""
NOT_AWAY = FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError
PATIENCE_S = 300.0
"""How long a unit waits for a storage without which it cannot begin."""
RETRY_AFTER_S = 2.0
Result = TypeVar("Result")


class StorageError(UserError):
    """A place that is no storage, or does not do what a storage has to."""


class StorageAwayError(StorageError):
    """A storage that cannot even be opened, as it does not answer; it may later."""


class Storage(Protocol):
    """Files below one place, by names with slashes.

    What is written is there whole or not at all, and then every machine sees it. Every method raises OSError when the
    storage does not answer or refuses, and FileNotFoundError for a file that is not there.
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
        """Bytes of each file below `folder`, at any depth, by its name in there; empty when nothing is there.

        Files that are written at this moment, or were when their writer died, are left out.
        """
        ...

    def entries(self) -> list[str]:
        """Names of the files and folders right here, sorted."""
        ...

    def has(self, name: str) -> bool:
        """Whether there is a file of that name."""
        ...

    def written(self, name: str) -> float | None:
        """When a file was written, by the storage's own clock, in seconds since 1970; None when it does not say."""
        ...

    def remove(self, name: str) -> None:
        """Remove a file, or a folder with all in it; nothing happens when there is none."""
        ...


def is_uri(place: str | Path) -> bool:
    """Whether a place is named by a URI, and so is reached over a protocol; anything else is a path."""
    return isinstance(place, str) and URI.match(place) is not None


def open_storage(place: str | Path) -> Storage:
    """The storage at a path or URI. Raises StorageError for a URI that is refused, see `checked_uri`, or unknown.

    StorageAwayError is one of them, for an object store that has to be asked first, and does not answer.
    """
    if not is_uri(place):
        return FolderStorage(Path(place))
    # pyarrow takes a tenth of a second, which a path need not pay.
    from sweep.storage.object_store import UriStorage

    return UriStorage(checked_uri(str(place)))


def below(place: str | Path, *names: str) -> str:
    """The place `names` below another; a URI keeps its query."""
    if not is_uri(place):
        return str(Path(place, *names))
    base, question, query = str(place).partition("?")
    return "/".join([base.rstrip("/"), *names]) + question + query


def above(uri: str) -> str:
    """The place in which another lies, both URIs."""
    base, question, query = uri.partition("?")
    return base.rpartition("/")[0] + question + query


def checked_uri(uri: str) -> str:
    """The URI without a slash at its end. Raises StorageError, which does not repeat it, when it holds a secret."""
    if (found := secret_in(uri)) is not None:
        raise StorageError(
            f"{without_secret(uri)}: the address holds {found}, and would be shown and stored; give credentials in the "
            "environment (e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or by the machine's role"
        )
    base, question, query = uri.partition("?")
    return base.rstrip("/") + question + query


def may_pass(error: OSError | StorageAwayError) -> bool:
    """Whether it is worth asking again: a store that is away comes back; what refuses, or is full, does not."""
    if isinstance(error, StorageAwayError):
        return True
    if isinstance(error, NOT_AWAY) or error.errno in (errno.ENOSPC, errno.EDQUOT):
        return False
    return REFUSAL.search(str(error)) is None


def patiently(action: Callable[[], Result]) -> Result:
    """What `action` returns; done again every few seconds, for minutes, while a storage is away.

    For what a unit cannot begin without. Raises OSError when the storage stays away for `PATIENCE_S`, and at once when
    it refuses (`may_pass`); whatever else `action` raises passes through.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return action()
        except (OSError, StorageAwayError) as error:
            if not may_pass(error) or time.monotonic() > deadline:
                if isinstance(error, StorageAwayError):
                    raise OSError(str(error)) from error
                raise
        time.sleep(RETRY_AFTER_S)


def short_hash(place: str | Path) -> str:
    """A name for a place, for a folder that holds local copies of what is there."""
    return hashlib.sha256(str(place).encode()).hexdigest()[:16]


class FolderStorage:
    """A folder as a storage."""

    def __init__(self, folder: Path) -> None:
        self.place = str(folder)
        self._folder = folder

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes) -> None:
        with self._draft(name) as draft:
            draft.write_bytes(content)

    def upload(self, path: Path, name: str) -> None:
        with self._draft(name) as draft:
            shutil.copyfile(path, draft)

    def download(self, name: str, path: Path) -> None:
        shutil.copyfile(self._folder / name, path)

    def sizes(self, folder: str = "") -> dict[str, int]:
        top = self._folder / folder
        return {
            str(path.relative_to(top)): path.stat().st_size
            for path in top.rglob("*")
            if path.is_file() and not path.name.startswith(".")
        }

    def entries(self) -> list[str]:
        return sorted(path.name for path in self._folder.iterdir()) if self._folder.is_dir() else []

    def has(self, name: str) -> bool:
        return (self._folder / name).is_file()

    def written(self, name: str) -> float | None:
        return (self._folder / name).stat().st_mtime

    def remove(self, name: str) -> None:
        path = self._folder / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        target = self._folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        try:
            yield draft
            with draft.open("rb") as file:
                os.fsync(file.fileno())
            os.replace(draft, target)
        finally:
            draft.unlink(missing_ok=True)
