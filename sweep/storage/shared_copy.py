"""What every machine needs, published once by the driver, and fetched once per machine, whole or not at all."""

from __future__ import annotations

import functools
from pathlib import Path

from data.atomic import build_once, make_folder
from sweep.storage.patience import patiently
from sweep.storage.storage import Storage


def publish_folder(storage: Storage, folder: Path, name: str, last: str) -> None:
    """Copy the files of a local folder to `name`, unless they are there; `last` is copied at the end.

    So the file `last` on the storage says that the copy is whole. Waits for a storage that is away. Raises OSError when
    the storage stays away, or refuses.
    """
    here = {path.name: path.stat().st_size for path in folder.iterdir() if path.is_file()}
    if patiently(lambda: storage.sizes(name)) == here:
        return
    for file in sorted(here, key=lambda file: file == last):
        patiently(functools.partial(storage.upload, folder / file, f"{name}/{file}"))


def publish_file(storage: Storage, path: Path, name: str) -> None:
    """Copy a local file to `name`, unless a file of its size is there.

    Waits for a storage that is away. Raises OSError when the storage stays away, or refuses.
    """
    folder, _, file = name.rpartition("/")
    if patiently(lambda: storage.sizes(folder)).get(file) != path.stat().st_size:
        patiently(lambda: storage.upload(path, name))


def fetch_folder(storage: Storage, name: str, place: Path, last: str) -> bool:
    """Copy the folder `name` to the local folder `place`; False when the storage has no whole one.

    Waits for a storage that is away. Raises OSError when the storage stays away, or refuses, or a file comes torn.
    """
    files = patiently(lambda: storage.sizes(name))
    if last not in files:
        return False
    build_once(place, lambda draft: _download(storage, name, draft, files))
    return True


def _download(storage: Storage, name: str, draft: Path, files: dict[str, int]) -> None:
    for file, size in files.items():
        path = draft / file
        make_folder(path.parent)
        patiently(functools.partial(storage.download, f"{name}/{file}", path))
        if path.stat().st_size != size:
            raise OSError(f"{storage.place}: {name}/{file}: {path.stat().st_size} of {size} bytes came")
