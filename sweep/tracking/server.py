"""Starts MLflow servers, for one study or for many. A server ends with the command that started it."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import sweep.tracking.client_limits  # noqa: F401  MLflow reads them when it is imported

# isort: split
from mlflow.exceptions import MlflowException

from data.errors import UserError, one_line
from sweep.storage.credentials import holds_secret
from sweep.storage.open_storage import below, checked_uri, is_uri
from sweep.tracking.client_log_in import may_log_in, withhold_log_in
from sweep.tracking.experiments import find_experiment
from sweep.tracking.server_address import (
    check_port_is_free,
    host_environment,
    in_url,
    is_loopback,
    listening_address,
)
from sweep.tracking.server_database import (
    backend_for_mlflow,
    parse_backend,
    serving_processes,
    users_database,
)
from sweep.tracking.server_users import (
    PASSWORD,
    USERNAME,
    Administrator,
    administrator,
    auth_environment,
    check_password,
)
from sweep.tracking.shared_view import addresses
from sweep.tracking.sqlite_uri import sqlite_uri

LOOPBACK = "127.0.0.1"
QUIET = "--uvicorn-opts", "--log-level warning"
LOG_IN = "--app-name", "basic-auth"
CLIENTS_OWN = USERNAME, PASSWORD, "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_URI", "MLFLOW_REGISTRY_URI"
"""Variables for MLflow's clients, which a server must not see."""
STARTED_WITHIN_S = 300
ENDED_WITHIN_S = 10
LOOK_EVERY_S = 2.0


class TrackingServerError(UserError):
    """An MLflow server that cannot be started, or that ended by itself."""


@dataclass(frozen=True)
class ServerStorage:
    """Where a server keeps runs (a database URI) and their files (a path or URI).

    `folder_to_make`: must exist before the server starts.
    """

    backend: str
    artifacts: str
    folder_to_make: Path | None = None

    @classmethod
    def choose(cls, studies: str, backend: str | None, artifacts: str | None) -> ServerStorage:
        """Take `backend` and `artifacts` where given; by default both lie in `.mlflow` among the studies.

        Only the user who starts the server may read that folder.

        Raises TrackingServerError when `studies` is a URI and no backend is given, when files would be at a URI with a
        query, or `artifacts` holds a secret; StorageError when `studies` does; TrackingBackendError for what is no
        database.
        """
        if artifacts is not None and holds_secret(artifacts):
            raise TrackingServerError(
                "--artifacts: the URI holds a password or a key; leave it out, and put it into the environment"
            )
        if backend is not None:
            parse_backend(backend)
        if artifacts is not None:
            artifacts = _for_mlflow("--artifacts", artifacts)
        if not is_uri(studies):
            home = Path(studies).absolute() / ".mlflow"
            needed = home if backend is None or artifacts is None else None
            return cls(backend or sqlite_uri(home / "mlflow.db"), artifacts or f"{home}/artifacts", needed)
        studies = checked_uri(studies)
        if backend is None:
            raise TrackingServerError(
                f"--studies {studies}: a database needs a disk; give one, --backend sqlite:////disk/mlflow.db say"
            )
        return cls(backend, artifacts or below(_for_mlflow("--studies", studies), ".mlflow", "artifacts"))


def serve_study(database: str, name: str, port: int, say: Callable[[str], None], *, terminal: bool) -> None:
    """Serve the runs in a study's own database on the loopback interface, until interrupted, to who logs in.

    The log-in is made for this server and gone with it: every user of this machine reaches the loopback interface, and
    MLflow writes files as the user who started it. `name`: of the study. `say` tells the addresses and the log-in;
    `terminal`: only a person reads that, so that a new password may be told.

    Raises TrackingServerError when the server does not start, and TrackingAuthError when there is no terminal for a
    password, nor one in the environment.
    """
    check_port_is_free(LOOPBACK, port)
    environment = host_environment(LOOPBACK, port, os.environ)
    options = ["--backend-store-uri", database, "--workers", "1", *QUIET, *LOG_IN]
    with tempfile.TemporaryDirectory(prefix="respsweep-mlflow-") as folder:
        users = f"sqlite:///{folder}/users.db"
        admin = administrator(users, os.environ, terminal)
        environment |= auth_environment(admin, users, Path(folder))
        with _running(options, LOOPBACK, port, environment) as server:
            experiment = find_experiment(database, name)
            _wait_for_an_answer(server, LOOPBACK, port)
            password = f"password {admin.password}" if admin.made_up else f"the password in {PASSWORD}"
            say(
                f"{addresses(f'http://{LOOPBACK}:{port}', experiment)}\nlog in as {admin.name} with {password}"
            )
            _wait_for_the_end(server)


def serve(
    storage: ServerStorage,
    host: str,
    port: int,
    auth: bool,
    say: Callable[[str], None],
    *,
    terminal: bool,
    with_ray: bool = False,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    """Serve what studies send with `--tracking-uri`, until interrupted; with `auth` only to users who log in.

    `say` tells where the server is and who may log in. `terminal`: only a person reads that, so that a new password may
    be told. `with_ray`: end when the Ray head on this machine ends, too; every `look_every_s` seconds it is looked for.
    Raises TrackingServerError, TrackingAddressError, TrackingBackendError or TrackingAuthError, each with one clear
    line.
    """
    if with_ray and not ray_head_runs():
        raise TrackingServerError(
            "--with-ray: no Ray head of yours runs here; start it first (ray start --head)"
        )
    address = listening_address(host)
    check_port_is_free(address, port)
    if storage.folder_to_make is not None:
        storage.folder_to_make.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Runs, and password hashes, are for those that the server lets in.
    os.umask(0o077)
    backend = backend_for_mlflow(storage.backend)
    url = f"http://{in_url(address)}:{port}"
    options = ["--backend-store-uri", backend, "--artifacts-destination", storage.artifacts]
    options += ["--workers", str(serving_processes(backend)), *QUIET]
    environment = host_environment(address, port, os.environ)
    with tempfile.TemporaryDirectory(prefix="respsweep-mlflow-") as folder:
        users, admin = users_database(backend), None
        if auth:
            admin = administrator(users, os.environ, terminal)
            environment |= auth_environment(admin, users, Path(folder))
            options += LOG_IN
        with _running(options, address, port, environment) as server:
            _wait_for_an_answer(server, address, port)
            if admin is not None:
                check_password(admin, address, port, users)
            lines = [
                f"MLflow server: {url}; runs in {storage.backend}, files in {storage.artifacts}",
                *_entrance(admin, address),
                f"send a study's runs there with --tracking-uri {url}",
            ]
            say("\n  ".join(lines))
            _wait_for_the_end(server, ray_head_runs if with_ray else lambda: True, look_every_s)


def _for_mlflow(option: str, place: str) -> str:
    """An absolute path, or a URI without a query: MLflow's stores read none, and files would go somewhere else."""
    if not is_uri(place):
        return str(Path(place).absolute())
    if "?" in place:
        raise TrackingServerError(
            f"{option} {place}: MLflow does not read what follows the `?`; leave it out, and name a server that is not "
            "Amazon's in AWS_ENDPOINT_URL"
        )
    return place


def _entrance(admin: Administrator | None, address: str) -> Iterator[str]:
    """Lines that say who may use the server, and how they log in."""
    if admin is not None:
        yield f"users log in with {USERNAME} and {PASSWORD}; administrator: {admin.name}"
        if admin.made_up:
            yield f"password of {admin.name}, told this once: {admin.password}"
    elif not is_loopback(address):
        yield "warning: whoever reaches this address may change all runs; --auth asks for a password"


def ray_head_runs(process: str = "gcs_server") -> bool:
    """Whether a Ray head of this user runs on this machine, by the process that holds a cluster's state."""
    for name in Path("/proc").glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            if name.read_text().strip() == process and name.stat().st_uid == os.getuid():
                return True
    return False


def say_where(uri: str, name: str, study_id: str | None, say: Callable[[str], None]) -> None:
    """Say at which addresses the server at `uri`, which has the runs of the study of that name and id, shows them.

    It is sent the user's name and password if `MLFLOW_TRACKING_URI` names it. Raises TrackingServerError when it does
    not answer.
    """
    if not may_log_in(uri, None, os.environ):
        withhold_log_in(os.environ)
    try:
        experiment = find_experiment(uri, name, study_id)
    except MlflowException as error:
        raise TrackingServerError(
            f"the runs of this study are on {uri}, which gives no answer: {one_line(str(error))[:200]}"
        ) from error
    say(addresses(uri, experiment))


@contextlib.contextmanager
def _running(
    options: Sequence[str], address: str, port: int, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run an MLflow server while the block runs, and end all its processes afterwards.

    Ctrl-C and SIGTERM leave the block.
    """
    inherited = {name: value for name, value in os.environ.items() if name not in CLIENTS_OWN}
    # Its job runners are many processes that a sweep has no use for.
    settings = {
        # Of its own it tells of users made and of features that are experimental.
        "MLFLOW_LOGGING_LEVEL": os.environ.get("MLFLOW_LOGGING_LEVEL", "ERROR"),
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "PYTHONWARNINGS": "ignore",
        # An experiment with a place of its own, which anybody may name, would let files be written there as this user.
        "MLFLOW_ARTIFACT_LOCATION_MAX_LENGTH": "0",
        **environment,
    }
    command = [sys.executable, "-m", "mlflow", "server", "--host", address, "--port", str(port), *options]
    with _interrupted_by_signals():
        # MLflow starts workers of its own and does not always take them along; their session does.
        server = subprocess.Popen(command, env={**inherited, **settings}, start_new_session=True)
        try:
            yield server
        finally:
            _end(server)


@contextlib.contextmanager
def _interrupted_by_signals() -> Iterator[None]:
    """Leave the block quietly on the first Ctrl-C, SIGTERM or hang-up; signals that are ignored stay ignored."""
    signals = signal.SIGINT, signal.SIGTERM, signal.SIGHUP
    before = {number: signal.getsignal(number) for number in signals}
    heard = [number for number in signals if before[number] is not signal.SIG_IGN]

    def interrupt(*_: object) -> None:
        for number in heard:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in heard:
        signal.signal(number, interrupt)
    try:
        with contextlib.suppress(KeyboardInterrupt):
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _end(server: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.wait(ENDED_WITHIN_S)


def _wait_for_an_answer(server: subprocess.Popen[bytes], address: str, port: int) -> None:
    deadline = time.monotonic() + STARTED_WITHIN_S
    while time.monotonic() < deadline:
        if server.poll() is not None:
            raise TrackingServerError(
                f"MLflow did not start (status {server.returncode}); its own words are above"
            )
        connection = http.client.HTTPConnection(address, port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == http.HTTPStatus.OK:
                return
        except (OSError, http.client.HTTPException):
            time.sleep(0.2)
        finally:
            connection.close()
    raise TrackingServerError(f"MLflow did not answer within {STARTED_WITHIN_S} s")


def _wait_for_the_end(
    server: subprocess.Popen[bytes],
    wanted: Callable[[], bool] = lambda: True,
    look_every_s: float = LOOK_EVERY_S,
) -> None:
    while wanted():
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = server.wait(look_every_s)
            raise TrackingServerError(f"the MLflow server ended by itself, with status {status}")
