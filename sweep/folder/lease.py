"""One driver at a time where no operating system is shared: a lease on an object store, renewed by its holder."""

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

from data.atomic import make_folder, write_whole
from data.errors import one_line, shortened
from data.json_text import parse_json
from sweep.folder.lock import LockedError, StudyLock, moment
from sweep.storage.conditional_writes import ChangedError, ConditionalStorage, Stored, Version, probe
from sweep.storage.storage import StorageError

log = logging.getLogger(__name__)
LEASE = "driver.json"
FIELDS = {"host", "pid", "since", "id", "copy", "held", "beat", "sign"}
LEASE_S = 60.0
BEAT_S = 15.0
TRIES = 5
"""How often a file of ours is written that changed each time, as the store says, though no other driver wrote."""


class LeasedLock(StudyLock):
    """Lock of a study on an object store: a lease there, and the operating system's lock on the working copy here.

    The lease (`driver.json`) holds host, process, a random id and the time of the last beat. Another driver is refused
    while the lease is younger than `lease_s` by the store's own clock; an older lease, or one that a dead process of
    the same working copy left, is taken over. The lease is created, renewed and taken over by conditional writes: each
    names the version that was read, and the store refuses it when another driver wrote in between. So of any number of
    drivers one has the lease, and a renewal never overwrites another driver's.

    A driver that the store did not hear for `lease_s` goes on, in its working copy, unless another driver took the
    study (`taken_by`); before it writes to the store again it renews its lease (`is_ours`).
    """

    def __init__(
        self, copy: Path, storage: ConditionalStorage, *, lease_s: float = LEASE_S, beat_s: float = BEAT_S
    ) -> None:
        """`copy` is the study's working copy on this machine, `storage` its place on the object store.

        A holder that has not renewed its lease for `lease_s` is taken for dead; `beat_s` is from one renewal to the
        next.
        """
        super().__init__(copy, storage.place)
        self._copy = copy
        self.storage = storage
        self._lease_s = lease_s
        self._beat_s = beat_s
        self._id = uuid.uuid4().hex
        self._since = time.strftime("%Y-%m-%d %H:%M:%S")
        self._version: Version | None = None
        self._signed: float | None = None
        self._before: float | None = None
        self._taken_by: str | None = None
        self._gone = False
        self._confirmed = 0.0
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_on, name="lease", daemon=True)
        self._one_at_a_time = threading.Lock()

    def __enter__(self) -> Self:
        make_folder(self._copy)
        super().__enter__()
        try:
            self._take()
        except BaseException as error:
            super().__exit__(None, None, None)
            if isinstance(error, OSError) and error.filename is None:
                raise StorageError(f"{self.storage.place}: no lease can be written there: {error}") from error
            raise
        self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        try:
            self._let_go()
        finally:
            super().__exit__(kind, error, trace)

    def sign(self) -> None:
        super().sign()
        self._signed = time.time()
        with contextlib.suppress(OSError):
            self.renew()

    def beat(self, at: float) -> None:
        super().beat(at)
        self._signed = at

    def last_sign(self) -> float | None:
        """Time of the last sign of life: of the current holder, or, once the lease is ours, of the holder before us."""
        if self._confirmed:
            signs = [super().last_sign(), self._before]
        else:
            lease, _ = self._look()
            signs = [super().last_sign(), lease["sign"] if lease else None]
        return max((sign for sign in signs if sign is not None), default=None)

    def held_by(self) -> str | None:
        """Process, host and start of the study's driver, in words; None when no driver holds the study.

        Who only looks writes nothing, and so does not learn the store's time: the age of another machine's lease is
        from its writing, by the store's clock, to now by this machine's clock, which so has to be about right.
        """
        if (holder := super().held_by()) is not None:
            return holder
        lease, stored = self._look()
        if (
            lease is None
            or stored is None
            or not lease["held"]
            or time.time() - stored.written >= self._lease_s
        ):
            return None
        return _named(lease)

    def leave_nothing(self) -> None:
        """Remove the lease, while it is ours, with the study that is gone. Raises OSError."""
        with self._one_at_a_time:
            self._ended.set()
            self._gone = True
            self.storage.remove(LEASE)

    @property
    def taken_by(self) -> str | None:
        return self._taken_by

    def is_ours(self) -> bool:
        """Whether we may still write to the study; asked of the store when that is not known from a moment ago.

        False from the end of the `with` on. Raises OSError when the store does not answer.
        """
        if self._taken_by is None and _seconds() - self._confirmed > self._lease_s / 2:
            self.renew()
        return self._taken_by is None and not self._ended.is_set()

    def _take(self) -> None:
        now = probe(self.storage)
        lease, stored = self._read()
        if lease is not None and stored is not None:
            self._before = lease["sign"]
            age = now - stored.written
            if lease["held"] and lease["copy"] != self._copy_id() and age < self._lease_s:
                raise LockedError(
                    f"{self.storage.place}: in use by {_named(lease)}, last heard {max(age, 0):.0f} s ago; wait for "
                    f"its end, stop it there, or begin a study of another name; a dead one is forgotten after "
                    f"{self._lease_s:.0f} s"
                )
        self._version = stored.version if stored else None
        if (other := self._write(held=True)) is not None:
            raise LockedError(
                f"{self.storage.place}: {_named(other)} took it at the same moment; "
                "wait for its end, or begin a study of another name"
            )

    def _beat_on(self) -> None:
        while not self._ended.wait(self._beat_s):
            try:
                self.renew()
            except OSError as error:
                log.debug("lease not renewed: %s", error)

    def renew(self) -> None:
        """Renew the lease now, or find out that another driver has it (`taken_by`). Raises OSError.

        A lease that was given back, at the end of the `with`, is left alone.
        """
        with self._one_at_a_time:
            if self._ended.is_set() or self._taken_by is not None:
                return
            if (other := self._write(held=True)) is not None:
                self._taken_by = _named(other)

    def _let_go(self) -> None:
        """Give the lease back with the last sign of life in it; where no driver ever signed, remove the lease."""
        # A request under way may hang for longer than anybody waits here.
        if not self._one_at_a_time.acquire(timeout=self._beat_s):
            return
        try:
            # A store that is away now is not waited for: the lease grows old by itself.
            if self._gone or self._taken_by is not None or _seconds() - self._confirmed > self._lease_s / 2:
                return
            with contextlib.suppress(OSError):
                if self._signed is not None or self._before is not None:
                    self._write(held=False)
                elif self._write(held=True) is None:
                    # A removal names no version, so it comes while the lease is young and nobody may take it.
                    self.storage.remove(LEASE)
        finally:
            self._one_at_a_time.release()

    def _write(self, *, held: bool) -> dict[str, Any] | None:
        """Write the next version of the lease; returns the lease of another driver that wrote in between, or None."""
        for _ in range(TRIES):
            began = _seconds()
            try:
                self._version = self.storage.replace(LEASE, self._content(held), self._version)
            except ChangedError:
                lease, stored = self._read()
                if lease is not None and lease["id"] != self._id:
                    return lease
                # A write of ours whose answer was lost; or the lease is gone, with a driver that never began.
                self._version = stored.version if stored else None
            else:
                self._confirmed = began
                return None
        raise OSError(
            f"{LEASE}: the store refused {TRIES} writes as of an old version, though no other driver wrote"
        )

    def _content(self, held: bool) -> bytes:
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
        return json.dumps(lease).encode() + b"\n"

    def _read(self) -> tuple[dict[str, Any] | None, Stored | None]:
        """The lease, and the file it is in: None each when there is none.

        The file may hold something else: the card, say, of a study that was run on a path.
        """
        try:
            stored = self.storage.stored(LEASE)
        except FileNotFoundError:
            return None, None
        try:
            lease = parse_json(stored.content)
        except ValueError:
            return None, stored
        if not (isinstance(lease, dict) and set(lease) >= FIELDS):
            return None, stored
        return {**lease, "sign": moment(lease["sign"])}, stored

    def _look(self) -> tuple[dict[str, Any] | None, Stored | None]:
        try:
            return self._read()
        except OSError as error:
            raise StorageError(f"{self.storage.place}: cannot be read: {error}") from error

    def _copy_id(self) -> str:
        """Random id of this working copy. Holding the copy's lock proves that no other process with this id is alive."""
        path = self._copy / "copy-id"
        if not path.exists():
            write_whole(path, uuid.uuid4().hex)
        return path.read_text()


def _seconds() -> float:
    """Read a clock that goes on while the machine sleeps, in which time another driver may take the study."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def _named(lease: dict[str, Any]) -> str:
    return shortened(one_line(f"process {lease['pid']} on {lease['host']}, since {lease['since']}"))
