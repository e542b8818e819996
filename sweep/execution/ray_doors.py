"""Who gets into the Ray of a study: on one machine nobody else, on a cluster who has its token."""

from __future__ import annotations

import os
import secrets
import stat
import warnings
from pathlib import Path

from sweep.execution.errors import ExecutorError

AUTH_MODE = "RAY_AUTH_MODE"
AUTH_TOKEN = "RAY_AUTH_TOKEN"
NO_METRICS = {
    "RAY_enable_metrics_collection": "0",
    "AUTOSCALER_METRIC_PORT": "-1",
    "DASHBOARD_METRIC_PORT": "-1",
}
"""What keeps Ray from showing metrics, which it does to whoever asks: a server at port -1 does not start."""
SHORT_FOLDER = Path("/tmp")
LONGEST_FOLDER = 107 - len(
    f"/ray-{os.getuid()}/ray/session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store"
)
"""Bytes of the path of a folder in which Ray's sockets still have names that Linux takes."""


class RayDoors:
    """What Ray reads of who may reach it and with which token, changed for one session and then as it was.

    Ray reads these once in a process, when it is imported or first asked; here it is made to read them again. Imports
    Ray when a method is called.
    """

    def __init__(self) -> None:
        from ray._private import ray_constants

        self._environment = {name: os.environ.get(name) for name in (AUTH_MODE, AUTH_TOKEN, *NO_METRICS)}
        self._clusters = ray_constants.ENABLE_RAY_CLUSTER

    def shut(self) -> None:
        """Let the Ray that is started next listen on the loopback interface alone, and want a token made for it.

        The token is in the environment of this process and of those that Ray starts, which other users cannot read, and
        in no file.
        """
        from ray._private import ray_constants

        # Ray then takes 127.0.0.1 for the address of this node, as it does on macOS, and all its processes listen there.
        ray_constants.ENABLE_RAY_CLUSTER = False
        self.guard()

    def guard(self) -> str:
        """Let the Ray that is started next listen to all machines, and want a token made for it, which is returned."""
        token = secrets.token_hex(32)
        os.environ.update({AUTH_MODE: "token", AUTH_TOKEN: token, **NO_METRICS})
        read_again()
        return token

    def restore(self) -> None:
        """Undo `shut` or `guard`, and that Ray turned tokens on for this process as it started or joined a cluster."""
        from ray._private import ray_constants

        ray_constants.ENABLE_RAY_CLUSTER = self._clusters
        if all(os.environ.get(name) == value for name, value in self._environment.items()):
            return
        for name, value in self._environment.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        read_again()


def check_token_is_wanted(address: str) -> None:
    """Raise ExecutorError when this process is told to do without tokens on the cluster at `address`."""
    if os.environ.get(AUTH_MODE, "").lower() == "disabled":
        raise ExecutorError(
            f"address {address}: {AUTH_MODE}=disabled, with which whoever reaches the cluster runs commands as its "
            f"user; start head and workers with {AUTH_MODE}=token, and unset it here or set it to token"
        )


def warn_of_open_doors(address: str) -> None:
    """Warn when the cluster at `address`, which this process has joined, does whatever anybody asks of it."""
    import ray

    if asks_for_token(ray.get_runtime_context().gcs_address) is False:
        warnings.warn(
            f"address {address}: this cluster asks for no token, so whoever reaches its ports runs commands as its "
            f"user; start head and workers with {AUTH_MODE}=token",
            stacklevel=2,
        )


def asks_for_token(head: str, timeout_s: float = 5.0) -> bool | None:
    """Whether Ray's head at `head` (HOST:PORT) refuses who comes without a token; None when it gives no answer.

    A cluster that was started without RAY_AUTH_MODE asks for a token only where ~/.ray/auth_token was there then, and
    one that asks for none takes those that bring one. So the head is asked whether it is alive, without a token.
    """
    # Ray brings it along.
    import grpc

    with grpc.insecure_channel(head) as channel:
        is_alive = channel.unary_unary(
            "/ray.rpc.NodeInfoGcsService/CheckAlive",
            request_serializer=bytes,
            response_deserializer=bytes,
        )
        try:
            is_alive(b"", timeout=timeout_s)
        except grpc.RpcError as error:
            refused = isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAUTHENTICATED
            return True if refused else None
    return False


def ray_folder(name: str = "ray") -> str:
    """Return the folder `name` for the files and sockets of a Ray on this machine, inside one that only its user enters.

    It is below `RAY_TMPDIR`, or `TMPDIR`, or else `/tmp`, which also takes the place of a `TMPDIR` too long for names of
    sockets. Raises ExecutorError for a `RAY_TMPDIR` that is too long, and when the folder belongs to somebody else.
    """
    named = os.environ.get("RAY_TMPDIR")
    base = Path(named or os.environ.get("TMPDIR") or SHORT_FOLDER).absolute()
    longest = LONGEST_FOLDER - len(name) + len("ray")
    if len(os.fsencode(base)) > longest:
        if named:
            raise ExecutorError(
                f"RAY_TMPDIR={named}: too long for the names of Ray's sockets; expected at most {longest} bytes"
            )
        base = SHORT_FOLDER
    # Ray opens its own folders to everybody, so that the door is the folder around them.
    folder = base / f"ray-{os.getuid()}"
    try:
        base.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
        state = folder.lstat()
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid():
            raise ExecutorError(
                f"{folder}: made by another user, who could read what Ray keeps there; set RAY_TMPDIR to a folder of "
                "your own"
            )
        folder.chmod(0o700)
    except OSError as error:
        raise ExecutorError(
            f"{folder}: Ray's files cannot be kept there: {error.strerror}; set RAY_TMPDIR to a folder of your own"
        ) from error
    return str(folder / name)


def read_again() -> None:
    """Make Ray, which reads them once in a process, read mode and token of the environment again. Imports Ray."""
    from ray._raylet import (  # pyright: ignore[reportMissingModuleSource]
        AuthenticationTokenLoader,  # pyright: ignore[reportAttributeAccessIssue]
        Config,  # pyright: ignore[reportAttributeAccessIssue]
    )

    AuthenticationTokenLoader.instance().reset_cache()
    Config.initialize("")
