"""One driver at a time where machines share a disk: a study's driver holds its lock, a dead one holds nothing."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from filelock import FileLock, Timeout

from data.atomic import write_whole
from data.errors import UserError, one_line, shortened
from data.json_text import parse_json

LATEST = 253_402_300_800
"""Seconds from 1970 to the end of the year 9999."""


class LockedError(UserError):
    """Another driver holds the study."""


class StudyLock:
    """Lock of a study folder, taken by `with`; the file `driver.json` beside it names its holder from then on.

    Once the holder has signed, the time of that file is the holder's last sign of life. Until then the file keeps the
    last sign of life of the holder before.

    The lock is the operating system's (flock, by filelock), which on NFS needs version 4.
    """

    def __init__(self, folder: Path, place: str | None = None) -> None:
        """`place` is what a user calls the study, by default its folder."""
        self._place = place or str(folder)
        self._lock = FileLock(folder / "driver.lock", timeout=1)
        self._card = folder / "driver.json"

    def __enter__(self) -> Self:
        try:
            self._lock.acquire()
        except Timeout:
            raise LockedError(
                f"{self._place}: in use by {self._holder()}; wait for its end, stop it there, "
                "or begin a study of another name"
            ) from None
        try:
            self._write_card(last_sign=StudyLock.last_sign(self))
        except BaseException:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lock.release()

    def sign(self) -> None:
        """Write down that this process, which holds the lock, has begun to run the study and is alive."""
        self._write_card()

    def beat(self, at: float) -> None:
        """Give a sign of life: set the time of `driver.json` to `at`, seconds since 1970 by the driver's own clock."""
        os.utime(self._card, (at, at))

    def last_sign(self) -> float | None:
        """Last sign of life of the current or last holder, in seconds since 1970; None if nobody signed."""
        if not self._card.exists():
            return None
        card = self._read_card()
        return moment(card["last_sign"]) if "last_sign" in card else self._card.stat().st_mtime

    def held_by(self) -> str | None:
        """Process, host and start of the lock's holder, in words; None when nobody holds the lock.

        Who may only read the folder, of another user say, is told as well. However many look at the same time, none
        takes another for a holder, and a driver that comes at that moment gets its lock. Raises OSError for a lock that
        cannot be read.
        """
        return self._holder() if self._is_held() else None

    def _is_held(self) -> bool:
        try:
            with Path(self._lock.lock_file).open("rb") as file:
                # Shared, so that those who look do not hinder each other; `__enter__` tries for longer than this lasts.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def is_held(self) -> bool:
        """Whether a process of this machine, or of those that share its disk, holds the lock."""
        return StudyLock.held_by(self) is not None

    def leave_nothing(self) -> None:
        """Say that the study is gone from its place, so that nothing is written there when the lock is released."""

    @property
    def taken_by(self) -> str | None:
        """Name the driver that took the study over: None, as a file lock cannot be taken over."""
        return None

    def _write_card(self, **more: Any) -> None:
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        card = {"host": socket.gethostname(), "pid": os.getpid(), "since": since, **more}
        write_whole(self._card, json.dumps(card) + "\n")

    def _read_card(self) -> dict[str, Any]:
        """Read what the card says; nothing where there is none, or another file in its place."""
        try:
            card = parse_json(self._card.read_bytes())
        except (OSError, ValueError):
            return {}
        return card if isinstance(card, dict) else {}

    def _holder(self) -> str:
        card = self._read_card()
        if not {"pid", "host", "since"} <= card.keys():
            return "another process"
        return shortened(one_line(f"process {card['pid']} on {card['host']}, since {card['since']}"))


def moment(value: Any) -> float | None:
    """Take what a card or lease says of a time, in seconds since 1970; None for what is no time until the year 9999."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and 0 <= value < LATEST else None
