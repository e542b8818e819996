"""One driver at a time where no operating system is shared: a lease on an object store, renewed by who holds it."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sweep.folder.lock import LockedError, StudyLock
from sweep.folder.study_folder import StudyFolder
from sweep.storage.storage import Storage, StorageError

log = logging.getLogger(__name__)
LEASE = "driver.json"
FIELDS = {"host", "pid", "since", "id", "copy", "held", "beat", "sign"}
LEASE_S = 60.0
"""A holder that has not renewed its lease for so long is taken for dead."""
BEAT_S = 15.0
LENGTH = 1023
SETTLE_S = 1.0
"""Between writing a lease and reading whose it is."""


class LeasedLock(StudyLock):
    """Lock of a study on an object store: a lease there, and the operating system's lock on the working copy here.

    The lease (`driver.json`) holds host, process, a random id and the time of the last beat. Another driver is refused
    while it is younger than `LEASE_S`, by the store's own clock where that tells when a file was written; an older one,
    or one that a dead process of the same working copy left, is taken over. Who takes it reads it again a moment later,
    and does not have it when somebody else wrote in between.

    That is no real lock, as plain object stores have none: of two drivers that take an old lease at once, the second
    one delayed for longer than `SETTLE_S` between looking and writing, both run until the first one's next beat
    (`BEAT_S`), when it finds the lease taken (`taken_by`) and halts. What both wrote meanwhile is the second one's. A
    driver that the store did not hear for `LEASE_S` goes on unless another one took the study.
    """

    def __init__(self, copy: Path, storage: Storage) -> None:
        super().__init__(copy, storage.place)
        self._copy = copy
        self._storage = storage
        self._id = uuid.uuid4().hex
        self._since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._signed: float | None = None
        self._before: float | None = None
        self._taken_by: str | None = None
        self._confirmed = 0.0
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_on, name="lease", daemon=True)
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        self._copy.mkdir(parents=True, exist_ok=True)
        super().__enter__()
        try:
            self._take()
        except BaseException as error:
            super().__exit__(None, None, None)
            if isinstance(error, OSError) and error.filename is None:
                raise StorageError(
                    f"{self._storage.place}: no lease can be written there: {error}"
                ) from error
            raise
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        # A request under way may hang for longer than anybody waits here.
        self._heart.join(BEAT_S)
        try:
            if not self._heart.is_alive():
                self._let_go()
        finally:
            super().__exit__(kind, error, trace)

    def sign(self) -> None:
        super().sign()
        self._signed = time.time()
        with contextlib.suppress(OSError):
            self._renew()

    def beat(self) -> None:
        super().beat()
        self._signed = time.time()

    def last_sign(self) -> float | None:
        """Of the last driver anywhere; of the one before, once the lease is ours."""
        if self._confirmed:
            signs = [super().last_sign(), self._before]
        else:
            signs = [super().last_sign(), (self._look() or {"sign": None})["sign"]]
        return max((sign for sign in signs if sign is not None), default=None)

    def held_by(self) -> str | None:
        if (holder := super().held_by()) is not None:
            return holder
        lease = self._look()
        if lease is None or not lease["held"] or time.time() - lease["beat"] >= LEASE_S:
            return None
        return _named(lease)

    @property
    def taken_by(self) -> str | None:
        return self._taken_by

    def is_ours(self) -> bool:
        """Whether we may still write to the study; asked of the store when that is not known from a moment ago.

        Raises OSError when the store does not answer.
        """
        if self._taken_by is None and time.monotonic() - self._confirmed > LEASE_S / 2:
            self._renew()
        return self._taken_by is None

    def _take(self) -> None:
        lease = self._read()
        if lease is not None:
            self._before = lease["sign"]
            if lease["held"] and lease["copy"] != self._copy_id():
                age = self._age(lease)
                if age < LEASE_S:
                    raise LockedError(
                        f"{self._storage.place}: in use by {_named(lease)}, last heard {age:.0f} s ago; wait for its "
                        f"end, stop it there, or begin another study with --name; a dead one is forgotten after "
                        f"{LEASE_S:.0f} s"
                    )
        self._write(held=True)
        time.sleep(SETTLE_S)
        now = self._read()
        if now is None or now["id"] != self._id:
            raise LockedError(
                f"{self._storage.place}: {_named(now) if now else 'another driver'} took it at the same moment; "
                "wait for its end, or begin another study with --name"
            )
        self._confirmed = time.monotonic()

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT_S):
            try:
                self._renew()
            except OSError as error:
                log.debug("lease not renewed: %s", error)

    def _renew(self) -> None:
        with self._one_at_a_time:
            if self._taken_by is not None:
                return
            lease = self._read()
            if lease is not None and lease["id"] != self._id:
                self._taken_by = _named(lease)
                return
            self._write(held=True)
            self._confirmed = time.monotonic()

    def _let_go(self) -> None:
        """Leave the last sign of life behind; nothing where there is no study."""
        # A store that is away now is not waited for: the lease grows old by itself.
        if self._taken_by is not None or time.monotonic() - self._confirmed > LEASE_S / 2:
            return
        with contextlib.suppress(OSError):
            if self._signed is None and self._before is None:
                self._storage.remove(LEASE)
            else:
                self._write(held=False)

    def _write(self, *, held: bool) -> None:
        lease = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "since": self._since,
            "id": self._id,
            "copy": self._copy_id(),
            "held": held,
            "beat": time.time(),
            "sign": self._signed or self._before,
        }
        # Always as long: a client that asks for the size first would read the half of one that grew meanwhile.
        self._storage.write(LEASE, json.dumps(lease).ljust(LENGTH).encode() + b"\n")

    def _read(self) -> dict[str, Any] | None:
        """The lease; None when there is none, or something else: the card, say, of a study that was run on a path."""
        try:
            lease = json.loads(self._storage.read(LEASE))
        except (FileNotFoundError, ValueError):
            return None
        return lease if isinstance(lease, dict) and set(lease) >= FIELDS else None

    def _look(self) -> dict[str, Any] | None:
        try:
            return self._read()
        except OSError as error:
            raise StorageError(f"{self._storage.place}: cannot be read: {error}") from error

    def _age(self, lease: dict[str, Any]) -> float:
        """Seconds since the lease was written: by the store's clock, or else by that of its holder and ours."""
        probe = f".clock-{self._id}"
        try:
            self._storage.write(probe, b"")
            now, written = self._storage.written(probe), self._storage.written(LEASE)
        finally:
            with contextlib.suppress(OSError):
                self._storage.remove(probe)
        if now is None or written is None:
            return time.time() - lease["beat"]
        return now - written

    def _copy_id(self) -> str:
        """Of this working copy: who holds its lock knows that nobody else with this id lives."""
        path = self._copy / "copy-id"
        if not path.exists():
            path.write_text(uuid.uuid4().hex)
        return path.read_text()


def study_lock(folder: StudyFolder) -> StudyLock:
    """The lock of a study where it lies."""
    if folder.uri is None:
        return StudyLock(folder.path)
    return LeasedLock(folder.path, folder.storage())


def _named(lease: dict[str, Any]) -> str:
    return f"process {lease['pid']} on {lease['host']}, since {lease['since']}"
