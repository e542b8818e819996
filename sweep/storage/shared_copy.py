"""What every machine needs, copied to it once: from where the driver put it, whole or not at all."""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable
from pathlib import Path

from filelock import FileLock

from sweep.storage.storage import Storage, patiently


def publish_folder(storage: Storage, folder: Path, name: str, last: str) -> None:
    """Copy the files of a local folder to `name`, `last` at the end, unless they are there. Raises OSError.

    So the file `last` says that the copy is whole.
    """
    here = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    if storage.sizes(name) == here:
        return
    for file in sorted(here, key=lambda file: file == last):
        storage.upload(folder / file, f"{name}/{file}")


def publish_file(storage: Storage, path: Path, name: str) -> None:
    """Copy a local file to `name`, unless a file of its size is there. Raises OSError."""
    folder, _, file = name.rpartition("/")
    if storage.sizes(folder).get(file) != path.stat().st_size:
        storage.upload(path, name)


def fetch_folder(storage: Storage, name: str, place: Path, last: str) -> bool:
    """Copy the folder `name` to `place`; False when there is no whole one.

    Waits for a storage that is away. Raises OSError when it stays away, or refuses, or a file comes torn.
    """
    files = patiently(lambda: storage.sizes(name))
    if last not in files:
        return False
    build_once(place, lambda draft: _download(storage, name, draft, files))
    return True


def build_once(place: Path, make: Callable[[Path], None]) -> None:
    """Let `make` fill a draft that becomes the folder `place`, unless it is there; one process of a machine at a time.

    The lock is that of `data.store.build_store`, for folders beside each other.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(place.parent / ".lock"):
        if not place.exists():
            draft = place.with_name(f".draft-{place.name}")
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            try:
                make(draft)
                draft.rename(place)
            finally:
                shutil.rmtree(draft, ignore_errors=True)


def _download(storage: Storage, name: str, draft: Path, files: dict[str, int]) -> None:
    for file, size in files.items():
        path = draft / file
        path.parent.mkdir(parents=True, exist_ok=True)
        patiently(functools.partial(storage.download, f"{name}/{file}", path))
        if path.stat().st_size != size:
            raise OSError(f"{storage.place}: {name}/{file}: {path.stat().st_size} of {size} bytes came")
