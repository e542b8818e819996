"""MLflow's picture of a study, drawn in the background: the sweep never waits for it.

An experiment is the study, a parent run a configuration, a child run a unit. Events are queued by the driver
and written by one thread, in batches.
"""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from sweep.board import Event

# Read by mlflow at each request; its defaults wait for minutes before they give up. A request is not repeated
# where we cannot see it, so that no run is created twice.
os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")

from mlflow import MlflowClient
from mlflow.entities import LifecycleStage, RunTag
from mlflow.exceptions import MlflowException
from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID, MLFLOW_RUN_NAME

from sweep.tracking_runs import RunUpdate, RunUpdates

logging.getLogger("mlflow").setLevel(logging.ERROR)
logging.getLogger("alembic").setLevel(logging.ERROR)
log = logging.getLogger(__name__)

GATHER_S = 0.5
RETRY_AFTER_S = 2.0
KEY = "respsweep.key"
# What the server will answer again, however often it is asked.
REFUSALS = {
    "BAD_REQUEST",
    "INVALID_PARAMETER_VALUE",
    "INVALID_STATE",
    "MALFORMED_REQUEST",
    "RESOURCE_DOES_NOT_EXIST",
}


class TrackingError(RuntimeError):
    """The tracking server cannot be used."""


class Tracking:
    """Listener that mirrors a study's events into MLflow.

    Raises TrackingError at once when `uri` names a server that does not answer. A server that goes away later
    costs nothing: events wait, and are written when it is back, or reported as lost by `close`.
    """

    def __init__(
        self, uri: str, experiment: str, artifacts: Path | None, seeds: Sequence[int], tags: Mapping[str, str]
    ) -> None:
        self._tags = dict(tags)
        self._runs: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._queue: queue.Queue[tuple[int, Event] | None] = queue.Queue()
        self._deadline: float | None = None
        self._problem: Exception | None = None
        try:
            self._client = MlflowClient(tracking_uri=uri)
            self._experiment = self._find_or_create(experiment, artifacts)
        except TrackingError:
            raise
        except Exception as error:
            raise TrackingError(
                f"tracking server {uri}: no answer ({_reason(error)}); start it, or leave --tracking-uri out "
                "to keep the runs in the study folder"
            ) from error
        # The thread shares nothing with the driver but the queue.
        self._thread = threading.Thread(
            target=self._write_all, args=(RunUpdates(seeds),), name="tracking", daemon=True
        )
        self._thread.start()

    def __call__(self, event: Event) -> None:
        self._queue.put((int(time.time() * 1000), event))

    def close(self, timeout_s: float = 60.0) -> None:
        """Write what is queued. Raises TrackingError when something could not be, within `timeout_s`."""
        self._deadline = time.monotonic() + timeout_s
        self._queue.put(None)
        self._thread.join(timeout_s + 30)
        if self._problem is not None or self._thread.is_alive():
            reason = _reason(self._problem) if self._problem else "no answer"
            raise TrackingError(f"MLflow misses some results ({reason}); the study folder has them all")

    def _find_or_create(self, name: str, artifacts: Path | None) -> str:
        found = self._client.get_experiment_by_name(name)
        if found is None:
            return self._client.create_experiment(
                name, artifact_location=artifacts.as_uri() if artifacts else None
            )
        if found.lifecycle_stage != LifecycleStage.ACTIVE:
            raise TrackingError(
                f"the MLflow experiment {name} was deleted; restore it, or take another --name"
            )
        return found.experiment_id

    def _write_all(self, updates: RunUpdates) -> None:
        try:
            ended = False
            while not ended:
                ended = self._gather(updates)
                for update in updates.take():
                    self._persist(update)
        except Exception as error:
            self._problem = error

    def _gather(self, updates: RunUpdates) -> bool:
        """Wait for events, and take all that come at about the same time; True when there will be no more."""
        item = self._queue.get()
        if item is not None and self._deadline is None:
            time.sleep(GATHER_S)
        while item is not None:
            updates.hear(*item)
            if self._queue.empty():
                return False
            item = self._queue.get()
        return True

    def _persist(self, update: RunUpdate) -> None:
        """Write an update, again and again while the server is away. Raises when `close` waits no longer."""
        while True:
            try:
                return self._write(update)
            except Exception as error:
                if isinstance(error, MlflowException) and error.error_code in REFUSALS:
                    # One run that somebody deleted must not keep back the others.
                    self._problem = error
                    return None
                if self._deadline is not None and time.monotonic() > self._deadline:
                    raise
                log.debug("MLflow does not answer, trying again: %s", error)
                time.sleep(RETRY_AFTER_S)

    def _write(self, update: RunUpdate) -> None:
        # MLflow takes a value that it has for the same one, so that an update may be written twice.
        run = self._run_id(update)
        tags = [RunTag(key, value) for key, value in update.tags.items()]
        self._client.log_batch(run, metrics=update.metrics, params=update.params, tags=tags)
        if update.status is not None:
            self._client.set_terminated(run, update.status, update.changed)

    def _run_id(self, update: RunUpdate) -> str:
        name = update.name
        if name in self._runs:
            return self._runs[name]
        if name in self._keys:
            # An earlier attempt got no answer, which does not say that it created no run.
            found = self._client.search_runs([self._experiment], f"tags.`{KEY}` = '{self._keys[name]}'")
        else:
            self._keys[name] = uuid.uuid4().hex
            found = []
        self._runs[name] = found[0].info.run_id if found else self._create_run(update)
        return self._runs[name]

    def _create_run(self, update: RunUpdate) -> str:
        tags = {**self._tags, MLFLOW_RUN_NAME: update.name, KEY: self._keys[update.name]}
        if update.parent in self._runs:
            tags[MLFLOW_PARENT_RUN_ID] = self._runs[update.parent]
        return self._client.create_run(self._experiment, update.since, tags, update.name).info.run_id


def database_uri(study_folder: Path) -> str:
    """MLflow's address of the database inside a study folder."""
    return f"sqlite:///{(study_folder / 'mlflow.db').absolute()}"


def serve_ui(tracking_uri: str | None, study_folder: Path, port: int) -> None:
    """Serve the MLflow UI of a study on the loopback interface, until interrupted.

    Raises TrackingError when the study's runs are on a server (`tracking_uri`), or the UI does not start.
    """
    if tracking_uri is not None:
        raise TrackingError(f"the runs of this study are on {tracking_uri}; open it there")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", database_uri(study_folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    _check_port_is_free(port)
    # MLflow starts workers of its own and does not always take them along; their session does.
    server = subprocess.Popen(command, start_new_session=True)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        status = server.wait()
    except KeyboardInterrupt:
        return
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGTERM)
    raise TrackingError(f"the MLflow UI ended by itself, with status {status}")


def _check_port_is_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise TrackingError(f"--port {port}: {error.strerror}; give another one") from error


def _reason(error: BaseException | None) -> str:
    """What lies at the bottom of an error, `Connection refused` say; or its first line."""
    reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return error.strerror
        error = error.__cause__ or error.__context__
    return reason
