"""Writes a study's events to MLflow, in batches and in a thread of its own.

A study is an experiment there, a configuration a parent run, a unit a child run. Times in MLflow are those of the
events, so that an event written twice is there once.
"""

from __future__ import annotations

import logging
import math
import queue
import shlex
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from http import HTTPStatus
from typing import TypeVar

import sweep.tracking.client_limits  # noqa: F401  MLflow reads them when it is imported
from sweep.study.events import Event
from sweep.tracking.experiments import experiment_with_runs_of
from sweep.tracking.messages import PROTOCOL, Files, Models, Shown, Target, TrackingError, incomplete
from sweep.tracking.models import log_files, log_models

# isort: split
from mlflow import MlflowClient
from mlflow.entities import LifecycleStage
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_RUN_NOTE

from sweep.tracking.parameters import parameter_name
from sweep.tracking.run_updates import RunUpdate, RunUpdates
from sweep.tracking.runs import Runs
from sweep.tracking.shared_view import TAG, shared_view

# MLflow logs each failed request with its traceback; `close` says in one line what came of them.
logging.getLogger("mlflow").setLevel(logging.CRITICAL)
logging.getLogger("alembic").setLevel(logging.ERROR)
log = logging.getLogger(__name__)

REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "RESOURCE_DOES_NOT_EXIST",
}
"""Error codes that a server would answer again, however often it is asked."""
DENIALS = {"CUSTOMER_UNAUTHORIZED", "PERMISSION_DENIED", "UNAUTHENTICATED"}
"""Error codes of 401 and 403, worth asking again: an administrator may mend the password meanwhile."""

TOGETHER = 50
"""Runs in one transaction of a database, which takes about a second and is lost when the process dies."""

Answer = TypeVar("Answer")


class Writer:
    """Listener that mirrors a study's events into MLflow.

    What the `past` of `target` holds and MLflow lacks is written first: a driver may have died at any moment, or a
    server been away until the driver ended.

    Raises TrackingError at once when the server refuses, or does not answer for a study without past. A server that goes
    away later, or is away when the study is taken up again (`away` says why), costs nothing: events wait, and are
    written when the server is back, or reported as missing by `close`.

    Events that come within `target.gather_s` seconds of one another are written together. A request that got no answer
    is repeated after `target.retry_after_s` seconds.
    """

    def __init__(self, target: Target) -> None:
        self._gather_s = target.gather_s
        self._retry_after_s = target.retry_after_s
        self._queue: queue.Queue[Event | None] = queue.Queue()
        self._models: Models | None = None
        self._files: Files | None = None
        self._artifacts = target.artifacts
        self._closing = threading.Event()
        self._deadline = math.inf
        self._trouble: Exception | None = None
        self._problem: Exception | None = None
        self.away: str | None = None

        uri = target.uri

        def connect() -> Runs:
            client = MlflowClient(tracking_uri=uri)
            experiment = _find_or_create(client, target)
            return Runs(client, experiment, target.study_id, target.tags)

        runs = None
        try:
            runs = connect()
        except TrackingError:
            raise
        except Exception as error:
            if (denial := _denial(error)) is not None:
                raise TrackingError(f"tracking server {uri}: {denial}") from error
            if not target.past or _refused(error):
                raise TrackingError(
                    f"tracking server {uri}: no answer ({_reason(error)}); start it, name another one with "
                    "--tracking-uri, or keep the runs in the study folder: --set tracking_uri=null"
                ) from error
            self.away = f"tracking server {uri}: no answer ({_reason(error)})"
        # The thread shares nothing with its maker but the queue.
        self._thread = threading.Thread(
            target=self._write_all,
            args=(runs, connect, target.past, target.tags.get(PROTOCOL) != "published", target.shown),
            name="tracking",
            daemon=True,
        )
        self._thread.start()

    def __call__(self, event: Event) -> None:
        self._queue.put(event)

    def keep_models(self, models: Models) -> None:
        """Have MLflow keep the networks of some units as models, once all events are written; before `close`."""
        self._models = models

    def keep_files(self, files: Files) -> None:
        """Have MLflow keep files of the study with one of its runs, once all events are written; before `close`."""
        self._files = files

    def close(self, timeout_s: float = 60.0) -> None:
        """Write what is queued, within about `timeout_s`. Raises TrackingError when something could not be written."""
        self._deadline = time.monotonic() + timeout_s
        self._closing.set()
        self._queue.put(None)
        # A request under way may hang for longer than anybody waits here.
        self._thread.join(timeout_s + 1)
        problem = self._problem
        if problem is None and self._thread.is_alive():
            problem = self._trouble or TimeoutError("no answer")
        if problem is not None:
            raise incomplete(_reason(problem))

    def _write_all(
        self,
        runs: Runs | None,
        connect: Callable[[], Runs],
        past: Sequence[Event],
        held_out: bool,
        shown: Shown,
    ) -> None:
        try:
            runs = runs or self._insist(connect)
            updates = RunUpdates(past, held_out=held_out, fixed=shown.fixed)
            if past:
                self._insist(runs.recall)
                self._insist(runs.look_elsewhere)
            self._describe(runs, shown)
            self._persist(runs, [update for update in updates.take() if not runs.shows(update)])
            ended = False
            while not ended:
                ended = self._gather(updates)
                self._persist(runs, updates.take())
            self._insist(runs.settle)
            if (models := self._models) is not None:
                self._insist(lambda: log_models(runs, models, self._artifacts))
            if (files := self._files) is not None:
                self._insist(lambda: log_files(runs, files, self._artifacts))
                if files.answer:
                    self._tag(runs, MLFLOW_RUN_NOTE, f"{shown.description}\n\n{files.answer}".strip())
        except Exception as error:
            self._problem = error

    def _describe(self, runs: Runs, shown: Shown) -> None:
        """Say in the experiment what it is, and how MLflow's page is to show it."""
        tags = {TAG: shared_view(shown.metric, [parameter_name(path) for path in shown.searched])}
        if shown.description:
            tags[MLFLOW_RUN_NOTE] = shown.description
        for tag, value in tags.items():
            self._tag(runs, tag, value)

    def _tag(self, runs: Runs, tag: str, value: str) -> None:
        try:
            self._insist(partial(runs.tag_experiment, tag, value))
        except Exception as error:
            if not _refused(error):
                raise
            # A server that takes no such tag shows its usual page, and has all runs.
            log.debug("no tag %s: %s", tag, error)

    def _gather(self, updates: RunUpdates) -> bool:
        """Wait for an event, and take those that come soon after; True when there will be no more."""
        event = self._queue.get()
        if event is not None:
            self._closing.wait(self._gather_s)
        while event is not None:
            updates.hear(event)
            if self._queue.empty():
                return False
            event = self._queue.get()
        return True

    def _persist(self, runs: Runs, updates: Sequence[RunUpdate]) -> None:
        for first in range(0, len(updates), TOGETHER):
            some = updates[first : first + TOGETHER]
            if time.monotonic() > self._deadline or not runs.write_together(some):
                self._write_singly(runs, some)

    def _write_singly(self, runs: Runs, updates: Iterable[RunUpdate]) -> None:
        for update in updates:
            try:
                self._insist(partial(runs.write, update))
            except Exception as error:
                if not _refused(error):
                    raise
                # One run that somebody deleted must not keep back the others.
                self._problem = error

    def _insist(self, request: Callable[[], Answer]) -> Answer:
        """Repeat a request while the server is away. Raises when the server refuses, or `close` waits no longer."""
        while True:
            if time.monotonic() > self._deadline:
                raise self._trouble or TimeoutError("too slow")
            try:
                answer = request()
            except Exception as error:
                if isinstance(error, TrackingError) or _refused(error):
                    raise
                self._trouble = error
                log.debug("MLflow does not answer, trying again: %s", error)
                pause = time.sleep if self._closing.is_set() else self._closing.wait
                pause(self._retry_after_s)
            else:
                self._trouble = None
                return answer


def _find_or_create(client: MlflowClient, target: Target) -> str:
    name = target.experiment
    found = client.get_experiment_by_name(name)
    if found is None and target.past:
        found = experiment_with_runs_of(client, target.study_id)
        # On a server other studies of the earlier name may share the experiment.
        if found is not None and target.artifacts is not None:
            client.rename_experiment(found.experiment_id, name)
    if found is None:
        artifacts = target.artifacts.as_uri() if target.artifacts else None
        return client.create_experiment(name, artifact_location=artifacts)
    if found.lifecycle_stage != LifecycleStage.ACTIVE:
        raise TrackingError(
            f"the MLflow experiment {name} was deleted; restore it, `MLFLOW_TRACKING_URI={shlex.quote(target.uri)} "
            f"mlflow experiments restore --experiment-id {found.experiment_id}`, or begin a study of another name"
        )
    return found.experiment_id


def _refused(error: Exception) -> bool:
    return isinstance(error, MlflowException) and error.error_code in REFUSALS


def _denial(error: BaseException | None) -> str | None:
    """What a user must do about a 401 or 403; None for another error."""
    if not isinstance(error, MlflowException) or error.error_code not in DENIALS:
        return None
    if "Invalid Host header" in str(error):
        return "403, it does not answer to this name; add it to MLFLOW_SERVER_ALLOWED_HOSTS there"
    status = error.get_http_status_code()
    what = "not logged in" if status == HTTPStatus.UNAUTHORIZED else "not permitted"
    return f"{status}, {what}; set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"


def _reason(error: BaseException | None) -> str:
    """The cause at the bottom of an error, `Connection refused` say; without such a cause, the error's first line."""
    if (denial := _denial(error)) is not None:
        return denial
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        # SQLAlchemy keeps what the database said, and puts it behind words of its own.
        if isinstance(said := getattr(error, "orig", None), Exception):
            return str(said).partition("\n")[0][:200]
        error = error.__cause__ or error.__context__
    return reason
