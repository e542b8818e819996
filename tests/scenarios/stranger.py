"""Another user of the machine, who tries the doors of a study: prints those that were open, as JSON.

Run as root with a JSON object in the first argument, of `folders`, `sockets` (paths), `ports`, `gcs` (a port) and `ui`
(a URL). It becomes user 65534 when it has imported what it needs, as a Python in another user's home cannot be started
by that user.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

NOBODY = 65534
PAGES = ("/", "/metrics", "/api/version", "/api/job_agent/jobs/", "/logs", "/get_runtime_env_info")
EXPERIMENT = {"name": "theirs", "artifact_location": "/tmp"}


def open_folders(folders: list[str]) -> Iterator[str]:
    for folder in folders:
        for what, action in (
            ("read", lambda folder=folder: os.listdir(folder)),
            ("written", lambda folder=folder: (Path(folder) / "theirs").touch()),
        ):
            try:
                action()
            except PermissionError:
                continue
            yield f"{folder} can be {what}"


def open_sockets(paths: list[str]) -> Iterator[str]:
    for path in paths:
        with socket.socket(socket.AF_UNIX) as tried:
            try:
                tried.connect(path)
            except PermissionError:
                continue
            yield path


def asked(port: int, method: str, page: str, body: dict[str, Any] | None = None) -> int | None:
    """Ask for a page without a token; the status, None for what does not speak HTTP."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        headers = {} if body is None else {"Content-Type": "application/json"}
        connection.request(method, page, None if body is None else json.dumps(body), headers)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def open_ports(ports: list[int]) -> Iterator[str]:
    for port in ports:
        for page in PAGES:
            if (status := asked(port, "GET", page)) not in (None, 401):
                yield f"port {port} answers {status} to {page}"


def open_head(port: int, client: Any) -> Iterator[str]:
    try:
        keys = client(address=f"127.0.0.1:{port}").internal_kv_keys(b"", namespace=None, timeout=10)
    except Exception as error:
        if type(error).__name__ != "AuthenticationError":
            yield f"the head refuses for another reason: {type(error).__name__}: {error}"
        return
    yield f"the head tells {len(keys)} keys"


def open_ui(url: str) -> Iterator[str]:
    port = urlsplit(url).port
    assert port is not None
    for method, page, body in (
        ("GET", "/", None),
        ("GET", "/ajax-api/2.0/mlflow/experiments/search?max_results=5", None),
        ("POST", "/api/2.0/mlflow/runs/search", {"experiment_ids": ["1"]}),
        ("POST", "/api/2.0/mlflow/experiments/create", EXPERIMENT),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=1&path=theirs", {"a": 1}),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/theirs", {"a": 1}),
        ("GET", "/api/2.0/mlflow-artifacts/artifacts", None),
        ("POST", "/graphql", {"query": "{ __typename }"}),
    ):
        if (status := asked(port, method, page, body)) != 401:
            yield f"{method} {page} of the UI answers {status}"


def main(doors: dict[str, Any]) -> None:
    # The token of whoever runs this is not theirs.
    os.environ["RAY_AUTH_MODE"] = "disabled"
    from ray._raylet import GcsClient  # pyright: ignore[reportMissingModuleSource, reportAttributeAccessIssue]

    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    signal.alarm(240)
    found = [*open_folders(doors["folders"]), *open_sockets(doors["sockets"]), *open_ports(doors["ports"])]
    found += [*open_head(doors["gcs"], GcsClient), *open_ui(doors["ui"])]
    print(json.dumps(found), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
