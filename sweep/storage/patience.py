"""Whether it is worth asking a storage again, and asking again for minutes while it is away."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from typing import TypeVar

from sweep.storage.storage import RefusedError, StorageAwayError

NOT_AWAY = RefusedError, FileNotFoundError, PermissionError, NotADirectoryError, IsADirectoryError
PATIENCE_S = 300.0
"""How long a unit waits for a storage without which it cannot begin."""
RETRY_AFTER_S = 2.0
Result = TypeVar("Result")


def may_pass(error: OSError | StorageAwayError) -> bool:
    """Whether it is worth asking again: a store that is away comes back; a refusal, or a full disk, stays."""
    return not isinstance(error, NOT_AWAY) and (
        isinstance(error, StorageAwayError) or error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
    )


def patiently(action: Callable[[], Result]) -> Result:
    """Call `action` until it returns: every few seconds, for minutes, while a storage is away.

    For what a unit cannot begin without. Raises OSError when the storage stays away for `PATIENCE_S`, and at once when
    the storage refuses (`may_pass`); whatever else `action` raises passes through.
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
