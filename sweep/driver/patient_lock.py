"""The lock of a study, for a driver that may come before the lock of a dead one is gone."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from sweep.driver.display import Display
from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.study_folder import StudyFolder

LOCK_PATIENCE_S = 180.0
"""Twice as long as a server of NFS 4 keeps the lock of a machine that died, unless it is told otherwise."""


@contextlib.contextmanager
def patient_lock(folder: StudyFolder, display: Display, patience_s: float) -> Iterator[StudyLock]:
    """Hold the study's lock while the block runs; wait for it `patience_s` seconds at most, of which `display` hears.

    A scheduler starts a driver again when the node of the last one died, and may be faster than the file server that
    keeps the dead one's lock. Raises LockedError when another driver still holds the study.
    """
    deadline, waits = time.monotonic() + patience_s, False
    with contextlib.ExitStack() as closing:
        while True:
            lock = folder.lock()
            try:
                closing.enter_context(lock)
                break
            except LockedError as error:
                if time.monotonic() >= deadline:
                    raise
                if not waits:
                    display.say(
                        f"{error}\nwaiting for that, {patience_s:g} s at most: a dead driver's lock may last"
                    )
                waits = True
        yield lock
