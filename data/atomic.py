"""Files and folders that appear whole or not at all, for their user alone; in `data`, whose importers write them too."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from filelock import FileLock


def make_folder(folder: Path, *, exist_ok: bool = True) -> None:
    """Make a folder that only its user can enter (mode 0700), and so those above it that are missing.

    A folder that is there stays as it is, opened to a group say; without `exist_ok` it raises FileExistsError, as a file
    does. Raises another OSError when nothing can be made there.
    """
    try:
        folder.mkdir(mode=0o700, exist_ok=exist_ok)
    except FileNotFoundError:
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=exist_ok)


def write_whole(
    path: Path, content: str | bytes | memoryview, *, to_disk: bool = True, keep_as: Path | None = None
) -> None:
    """Write a file so that a crash leaves the old one or the new one; text as UTF-8. See `file_draft`."""
    with file_draft(path, to_disk=to_disk, keep_as=keep_as) as draft:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def file_draft(path: Path, *, to_disk: bool = True, keep_as: Path | None = None) -> Iterator[Path]:
    """Give a path for a draft, which becomes the file `path` when the block ends well, and else is removed.

    With `to_disk` the draft's bytes are on the disk before its name changes, so that a power cut leaves a whole file
    too; without, a power cut may leave a torn one, for files that can be made again. The file that was at `path`
    becomes `keep_as`, if that is given. A new file is readable by its user alone (mode 0600); one that was there keeps
    its mode. Raises OSError, for a full disk say, with `path` as the file's name.
    """
    draft = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        draft.touch(mode=0o600)
        with contextlib.suppress(FileNotFoundError):
            draft.chmod(stat.S_IMODE(path.stat().st_mode))
        yield draft
        if to_disk:
            with draft.open("rb") as file:
                os.fsync(file.fileno())
        if keep_as is not None:
            # Nothing is there yet, or another process replaces the same file at this moment.
            with contextlib.suppress(FileNotFoundError):
                os.replace(path, keep_as)
        os.replace(draft, path)
    except OSError as error:
        # The operating system names the draft, or nothing; what the block read from elsewhere keeps its own name.
        if error.errno is None or error.filename not in (None, str(draft)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        draft.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_draft(folder: Path) -> Iterator[Path]:
    """Make an empty draft, which becomes `folder`, new or empty, when the block ends well, and else is removed.

    Only its user can enter the folder (mode 0700).
    """
    draft = folder.with_name(f".draft-{folder.name}-{uuid.uuid4().hex}")
    draft.mkdir(mode=0o700)
    try:
        yield draft
        draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def build_once(folder: Path, build: Callable[[Path], None]) -> None:
    """Let `build` fill a draft that becomes `folder`, unless it is there; one process at a time among its siblings.

    Other processes wait for the lock `.lock` beside `folder`, and find the folder built. Raises what `build` raises,
    and then leaves no folder behind.
    """
    if folder.exists():
        return
    make_folder(folder.parent)
    with FileLock(folder.parent / ".lock"):
        if folder.exists():
            return
        for left_by_a_killed_build in folder.parent.glob(".draft-*"):
            shutil.rmtree(left_by_a_killed_build)
        with folder_draft(folder) as draft:
            build(draft)


def remove_built(folder: Path, is_damaged: Callable[[Path], bool]) -> None:
    """Remove a folder that `build_once` built, if it is damaged still: another process may have built it anew.

    What a process has mapped of the folder's files stays as it is for that process.
    """
    if not folder.exists():
        return
    with FileLock(folder.parent / ".lock"):
        if not folder.exists() or not is_damaged(folder):
            return
        doomed = folder.with_name(f".draft-{folder.name}-{uuid.uuid4().hex}")
        folder.rename(doomed)
        shutil.rmtree(doomed, ignore_errors=True)
