"""A study taken away from its place, such that it is there whole or not at all whenever somebody looks."""

from __future__ import annotations

import shutil

from sweep.folder.lease import LEASE
from sweep.folder.lock import StudyLock
from sweep.folder.study_folder import StudyFolder
from sweep.folder.working_copy import STUDY


def remove_study(folder: StudyFolder, lock: StudyLock) -> None:
    """Remove a study with all in its folder, given its lock, which is held. Raises OSError."""
    if folder.uri is not None:
        remove_stored(folder, lock)
        return
    folder.study_file.unlink()
    shutil.rmtree(folder.path)


def remove_stored(folder: StudyFolder, lock: StudyLock) -> None:
    """Remove a study from its object store, and this machine's working copy; `lock` is held, and leaves nothing."""
    storage = folder.storage()
    # Without its study file it is no study any more, and nobody takes it up.
    storage.remove(STUDY)
    for name in {name.partition("/")[0] for name in storage.sizes()} - {LEASE}:
        storage.remove(name)
    lock.leave_nothing()
    shutil.rmtree(folder.path, ignore_errors=True)
