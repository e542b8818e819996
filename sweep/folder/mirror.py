"""Sends a study's working copy to its object store in the background; the sweep never waits for the store."""

from __future__ import annotations

import contextlib
import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from data.errors import UserError
from sweep.folder.lease import TRIES, LeasedLock
from sweep.folder.working_copy import ARTIFACTS, BEST, DATABASE, JOURNAL, MARK, OPTUNA, PROVENANCE, STUDY
from sweep.storage.conditional_writes import ChangedError, ConditionalStorage, Version
from sweep.storage.folder_storage import FolderStorage

log = logging.getLogger(__name__)
INTERVAL_S = 5.0
SHARE = 0.05
UNITS = "units"
News = tuple[tuple[int, int], bytes]
"""A file with news: its size and time of change (ns), and its content."""


class MirrorError(UserError):
    """The object store lacks something of a study."""


class Mirror:
    """Sends what is new in `copy` to `storage` every few seconds, from `start` to `close`.

    What is stored is the study as it was at a moment, in whole lines of the journal. A store that is away is tried
    again. Before each file, and each removal, the lease is asked, which is renewed first when that was not done for
    half its time; nothing is sent once another driver holds the lease.

    The journal is replaced by a conditional write, so that a request that was under way when the lease was lost
    overwrites nothing newer. The other files are not: one such request may put an older one of them there, which the
    next driver replaces when it has news for that file.
    """

    def __init__(
        self,
        copy: Path,
        storage: ConditionalStorage,
        lease: LeasedLock,
        *,
        interval_s: float = INTERVAL_S,
        share: float = SHARE,
    ) -> None:
        """`interval_s` is from one look for news to the next, `share` the part of the time that sending may take."""
        self._copy = copy
        self._storage = storage
        self._lease = lease
        self._interval_s = interval_s
        self._share = share
        self._sent: dict[str, tuple[int, int]] = {}
        self._stored_journal: Version | None = None
        self._started = False
        self._over: dict[str, str | None] = {}
        self._removed: dict[str, str | None] = {}
        self._closing = threading.Event()
        self._deadline = math.inf
        self._trouble: Exception | None = None
        self._complete = False
        self._thread = threading.Thread(target=self._mirror, name="mirror", daemon=True)

    def start(self) -> None:
        self._started = True
        self._thread.start()

    def remove_unit(self, unit: str, *, keep: str | None = None) -> None:
        """Remove the stored files of a unit that has ended, but one, once the stored journal says that it has."""
        self._over[unit] = keep

    def close(self, timeout_s: float) -> None:
        """Send the rest, MLflow's database too. Raises MirrorError when the store lacks some of it after `timeout_s`."""
        if not self._started:
            return
        self._deadline = time.monotonic() + timeout_s
        self._closing.set()
        # A request under way may hang for longer than anybody waits here.
        self._thread.join(timeout_s + 1)
        if self._complete:
            return
        if (holder := self._lease.taken_by) is not None:
            raise MirrorError(
                f"{self._storage.place}: taken over by {holder}; what happened here since is in {self._copy} alone"
            )
        raise MirrorError(
            f"{self._storage.place}: the store lacks the last results ({self._trouble or 'no answer'}); they are in "
            f"{self._copy}, and resuming the study on this machine sends them"
        )

    def _mirror(self) -> None:
        wait_s = self._interval_s
        while not self._closing.wait(wait_s):
            began = time.monotonic()
            sent = self._try(self._push)
            rest_s = (time.monotonic() - began) * (1 / self._share - 1) if sent else 0.0
            wait_s = max(self._interval_s, rest_s)
        while not (self._try(self._push) and self._try(self._push_runs)):
            if self._lease.taken_by is not None or time.monotonic() > self._deadline:
                return
            time.sleep(1)
        self._complete = True

    def _try(self, send: Callable[[], None]) -> bool:
        try:
            self._ask_lease()
            send()
        except Exception as error:
            # Whatever it is: the study goes on, and `close` tells.
            self._trouble = error
            log.debug("%s: not sent: %s", self._storage.place, error)
            return False
        return True

    def _ask_lease(self) -> None:
        """Raise MirrorError when the study is not ours any more, OSError when the store does not tell."""
        if not self._lease.is_ours():
            raise MirrorError(f"{self._storage.place}: this driver's lease is over")

    def _push(self) -> None:
        # Before the journal is read, which then tells that these units have ended.
        over = dict(self._over)
        for name in (STUDY, PROVENANCE, BEST, OPTUNA):
            self._send(name, self._news(name))
        self._send_journal(self._news(JOURNAL))
        (self._copy / MARK).touch()
        # At the end all of them once more: a worker may have saved while its unit was stopped.
        if over.items() - self._removed.items() or (over and self._closing.is_set()):
            for name in self._storage.sizes(UNITS):
                unit, _, file = name.partition("/")
                if unit in over and file != over[unit]:
                    self._ask_lease()
                    self._storage.remove(f"{UNITS}/{name}")
            self._removed.update(over)

    def _push_runs(self) -> None:
        if not (self._copy / DATABASE).exists():
            return
        snapshot = self._copy / f".{DATABASE}.snapshot"
        try:
            with (
                contextlib.closing(sqlite3.connect(self._copy / DATABASE)) as source,
                contextlib.closing(sqlite3.connect(snapshot)) as target,
            ):
                source.backup(target)
            self._ask_lease()
            self._storage.upload(snapshot, DATABASE)
        finally:
            snapshot.unlink(missing_ok=True)
        there = self._storage.sizes(ARTIFACTS)
        for name, size in FolderStorage(self._copy).sizes(ARTIFACTS).items():
            if there.get(name) != size:
                self._ask_lease()
                self._storage.upload(self._copy / ARTIFACTS / name, f"{ARTIFACTS}/{name}")

    def _news(self, name: str) -> News | None:
        """Read a file if it has news; None when the file has not changed since it was sent, or is not there."""
        path = self._copy / name
        try:
            status = path.stat()
            version = status.st_size, status.st_mtime_ns
            if self._sent.get(name) == version:
                return None
            content = path.read_bytes()
        except FileNotFoundError:
            return None
        # A line may be under way.
        return version, content if name != JOURNAL else content[: content.rfind(b"\n") + 1]

    def _send_journal(self, news: News | None) -> None:
        if news is None:
            return
        version, content = news
        self._ask_lease()
        for _ in range(TRIES):
            try:
                self._stored_journal = self._storage.replace(JOURNAL, content, self._stored_journal)
            except ChangedError:
                # Of an earlier run, or of ours and its answer was lost; or of another driver, and so is the lease.
                self._lease.renew()
                if not self._lease.is_ours():
                    raise
                self._stored_journal = self._version_of_journal()
            else:
                self._sent[JOURNAL] = version
                return
        raise OSError(
            f"{JOURNAL}: the store refused {TRIES} writes as of an old version, though the lease is ours"
        )

    def _version_of_journal(self) -> Version | None:
        try:
            return self._storage.stored(JOURNAL).version
        except FileNotFoundError:
            return None

    def _send(self, name: str, news: News | None) -> None:
        if news is not None:
            version, content = news
            self._ask_lease()
            self._storage.write(name, content)
            self._sent[name] = version
