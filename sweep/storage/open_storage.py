"""The grammar of places, which are paths or URIs, and the storage at one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sweep.storage.credentials import secret_in, without_secret
from sweep.storage.folder_storage import FolderStorage
from sweep.storage.storage import Storage, StorageError

if TYPE_CHECKING:
    from sweep.storage.object_store import ObjectStore

URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")

WITH_BUCKETS = ("s3", "gs")
"""Schemes whose URIs have a bucket's name after the slashes."""


def is_uri(place: str | Path) -> bool:
    """Whether a place is named by a URI, and so is reached over a protocol; anything else is a path."""
    return isinstance(place, str) and URI.match(place) is not None


def open_storage(place: str | Path) -> Storage:
    """Open the storage at a path or URI. Raises StorageError for a URI that `open_object_store` refuses."""
    return open_object_store(str(place)) if is_uri(place) else FolderStorage(Path(place))


def open_object_store(uri: str) -> ObjectStore:
    """Open the object store at a URI. Raises StorageError for a URI that holds a secret, or that no client knows.

    Raises StorageAwayError, which is a StorageError, for a store that has to be asked for the bucket's region first,
    and does not answer.
    """
    # Whoever keeps studies in a folder does not pay for loading a client.
    from sweep.storage.object_store import ObjectStore

    return ObjectStore(checked_uri(uri))


def below(place: str | Path, *names: str) -> str:
    """Name the place `names` below another place; a URI keeps its query."""
    if not is_uri(place):
        return str(Path(place, *names))
    base, question, query = str(place).partition("?")
    return "/".join([base.rstrip("/"), *names]) + question + query


def above(uri: str) -> str:
    """Name the place in which another lies; both are URIs."""
    base, question, query = uri.partition("?")
    return base.rpartition("/")[0] + question + query


def checked_uri(uri: str) -> str:
    """Take the slash off the end of a URI.

    Raises StorageError for a URI that names no bucket and, without the secret, for a URI that holds one.
    """
    if (found := secret_in(uri)) is not None:
        raise StorageError(
            f"{without_secret(uri)}: the address holds {found}, and would be shown and stored; give credentials in the "
            "environment (e.g. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), or by the machine's role"
        )
    base, question, query = uri.partition("?")
    scheme, _, place = base.partition("://")
    if scheme in WITH_BUCKETS and not place.partition("/")[0]:
        raise StorageError(f"{uri}: names no bucket; expected {scheme}://BUCKET or {scheme}://BUCKET/FOLDER")
    return base.rstrip("/") + question + query
