"""A folder as a storage: for clusters whose machines share a disk, and for a single machine."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from data.atomic import file_draft, make_folder


class FolderStorage:
    """The files below `folder`, as `Storage` says."""

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

    def remove(self, name: str) -> None:
        path = self._folder / name
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _draft(self, name: str) -> Iterator[Path]:
        path = self._folder / name
        make_folder(path.parent)
        with file_draft(path) as draft:
            yield draft
