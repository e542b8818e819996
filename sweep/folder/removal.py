"""A study taken away from its place, such that it is there whole or not at all whenever somebody looks."""

from __future__ import annotations

import shutil
import uuid

from sweep.folder.lease import LEASE
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import StudyFolder
from sweep.folder.working_copy import MARK, STUDY
from sweep.storage.storage import StorageError


def remove_study(folder: StudyFolder, lock: StudyLock) -> None:
    """Remove a study with all in its folder, given its lock, which is held; of a link, also what it leads to.

    The folder first gets a hidden name, `.deleted-NAME-` and 8 letters, so that the study is gone at once. Raises
    OSError when that cannot be, and the study is as it was; StorageError when something under the hidden name cannot be
    removed.
    """
    if folder.uri is not None:
        remove_stored(folder, lock)
        return
    hidden = folder.path.with_name(f".deleted-{folder.name}-{uuid.uuid4().hex[:8]}")
    folder.path.rename(hidden)
    try:
        shutil.rmtree(hidden.resolve())
        if hidden.is_symlink():
            hidden.unlink()
    except OSError as error:
        raise StorageError(
            f"{folder.place}: the study is deleted, but {error.filename or hidden} cannot be removed: "
            f"{error.strerror or error}; remove {hidden} by hand"
            + (f", and {hidden.resolve()}, to which it leads" if hidden.is_symlink() else "")
        ) from error


def remove_stored(folder: StudyFolder, lock: StudyLock) -> None:
    """Remove a study from its object store, and this machine's working copy; `lock` is held, and leaves nothing."""
    storage = folder.storage()
    # The copy first: it would be kept as the last one of a study that somebody else removed.
    for name in (MARK, STUDY):
        (folder.path / name).unlink(missing_ok=True)
    # Without its study file it is no study any more, and nobody takes it up.
    storage.remove(STUDY)
    for name in {name.partition("/")[0] for name in storage.sizes()} - {LEASE}:
        storage.remove(name)
    lock.leave_nothing()
    shutil.rmtree(folder.path, ignore_errors=True)
