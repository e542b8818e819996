"""Sends a study's events to a process of its own that writes them to MLflow, so that the sweep never waits for it."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sweep.study.events import Event
from sweep.tracking.messages import (
    GATHER_S,
    RETRY_AFTER_S,
    Close,
    Connected,
    Files,
    Models,
    Refused,
    Shown,
    Target,
    TrackingError,
    incomplete,
)
from sweep.tracking.sqlite_uri import sqlite_uri
from sweep.tracking.writer_process import WriterEndedError, WriterProcess

MOST_AT_ONCE = 1000
ANSWER_S = 2.0
"""How much longer than the writer itself the driver waits for the writer's last answer, in seconds."""


class Tracker:
    """Listener that mirrors a study's events into MLflow, from a process of its own.

    MLflow takes several times the processor time of the driver, and would hold up the driver's decisions in the same
    process. That process takes only time that others leave, and ends with this one however that ends. See
    `sweep.tracking.messages.Target` for what the arguments mean. `process`: one that was started before, so that it has
    imported MLflow meanwhile; by default one is started.

    Raises TrackingError at once when the server at `uri` refuses, or does not answer for a study without past. A server
    that goes away later, or is away when the study is taken up again (`away` says why), costs nothing: events wait, and
    are written when the server is back, or reported as missing by `close`.
    """

    def __init__(
        self,
        uri: str,
        experiment: str,
        artifacts: Path | None,
        study_id: str,
        past: Iterable[Event],
        tags: Mapping[str, str],
        shown: Shown | None = None,
        *,
        process: WriterProcess | None = None,
        gather_s: float = GATHER_S,
        retry_after_s: float = RETRY_AFTER_S,
        log_in: bool = True,
    ) -> None:
        self._target = Target(
            *(uri, experiment, artifacts, study_id, tuple(past), dict(tags), shown or Shown()),
            *(gather_s, retry_after_s, log_in),
        )
        self._heard: list[Event] = []
        self._kept: list[Models | Files] = []
        self._process = process or WriterProcess()
        try:
            self._process.send(self._target)
            self.away = _connected(self._process.receive()).away
        except WriterEndedError as error:
            self._process.end()
            raise TrackingError(f"tracking server {uri}: {error}") from error
        except BaseException:
            self._process.end()
            raise
        self._closed = False
        self._queue: queue.SimpleQueue[Event | Models | Files | Close] = queue.SimpleQueue()
        # A process that is stopped or swapped out takes nothing, and the sweep must not wait for that either.
        threading.Thread(target=self._send_all, args=(self._process,), name="tracking", daemon=True).start()

    @property
    def pid(self) -> int:
        """Number of the process that writes."""
        return self._process.pid

    def __call__(self, event: Event) -> None:
        self._heard.append(event)
        self._queue.put(event)

    def keep_models(self, models: Models) -> None:
        """Have MLflow keep the networks of some units as models, once all events are written; before `close`."""
        self._keep(models)

    def keep_files(self, files: Files) -> None:
        """Have MLflow keep files of the study with one of its runs, once all events are written; before `close`."""
        self._keep(files)

    def _keep(self, what: Models | Files) -> None:
        self._kept.append(what)
        self._queue.put(what)

    def close(self, timeout_s: float = 60.0) -> None:
        """Write what is queued, within about `timeout_s`, and end the process; a second call does nothing.

        If the process was killed, another one writes what MLflow lacks. Raises TrackingError when something could not be
        written.
        """
        if self._closed:
            return
        self._closed = True
        self._queue.put(Close(timeout_s))
        deadline = time.monotonic() + timeout_s + ANSWER_S
        try:
            answer = self._last_answer(timeout_s, deadline)
        except TimeoutError:
            raise incomplete("no answer") from None
        except WriterEndedError as error:
            raise incomplete(str(error)) from error
        finally:
            self._process.end()
        if isinstance(answer, Refused):
            raise TrackingError(answer.message)

    def _last_answer(self, timeout_s: float, deadline: float) -> Any:
        """Wait for the process to write what is left; for a new one, if it has ended before it was told to."""
        try:
            return self._process.receive(timeout_s + ANSWER_S)
        except WriterEndedError:
            if time.monotonic() > deadline - ANSWER_S:
                raise
        self._process.end()
        self._process = WriterProcess()
        self._process.send(replace(self._target, past=(*self._target.past, *self._heard)))
        _connected(self._process.receive(deadline - time.monotonic()))
        for kept in self._kept:
            self._process.send(kept)
        self._process.send(Close(max(0.0, deadline - ANSWER_S - time.monotonic())))
        return self._process.receive(deadline - time.monotonic())

    def _send_all(self, process: WriterProcess) -> None:
        closing = False
        while not closing:
            messages: list[Any] = [self._queue.get()]
            while len(messages) < MOST_AT_ONCE and not self._queue.empty():
                messages.append(self._queue.get())
            closing = isinstance(messages[-1], Close)
            # After a process that has ended `close` looks.
            process.send(*messages)


def _connected(answer: Any) -> Connected:
    if isinstance(answer, Refused):
        raise TrackingError(answer.message)
    assert isinstance(answer, Connected)
    return answer


def database_uri(study_folder: Path) -> str:
    """MLflow's URI of the database inside a study folder."""
    return sqlite_uri(study_folder / "mlflow.db")
