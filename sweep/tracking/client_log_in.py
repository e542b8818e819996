"""To which MLflow server a study's runs go with the user's name and password: to none that a study file alone names."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from pathlib import Path
from urllib.parse import urlsplit

LOG_IN = (
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "MLFLOW_TRACKING_AUTH",
)
"""Variables from which MLflow's client takes what it sends with each request, whatever the server."""
SERVER = "MLFLOW_TRACKING_URI"
CREDENTIALS = Path("~/.mlflow/credentials")
PORTS = {"http": 80, "https": 443}


def may_log_in(uri: str | None, named: str | None, environment: Mapping[str, str]) -> bool:
    """Whether name and password may be sent to the server at `uri`, which the user must have named.

    `named`: the server that the command line names; `environment` may name another one in `MLFLOW_TRACKING_URI`. It is
    the same server when scheme, host and port are. What is no server (None, a database) is sent nothing.
    """
    if uri is None or not uri.lower().startswith("http"):
        return True
    server = _server(uri)
    return server is not None and server in (_server(named), _server(environment.get(SERVER)))


def withhold_log_in(environment: MutableMapping[str, str], credentials: Path = CREDENTIALS) -> None:
    """Take name, password and token out of the `environment` of a process that is to send them to no server.

    MLflow would then look into the file `credentials`: a name and a password that say nothing come before that.
    """
    for name in LOG_IN:
        environment.pop(name, None)
    if credentials.expanduser().exists():
        environment["MLFLOW_TRACKING_USERNAME"] = environment["MLFLOW_TRACKING_PASSWORD"] = "withheld"


def log_in_warnings(uri: str | None, named: str | None, environment: Mapping[str, str]) -> list[str]:
    """Say that a log-in is withheld from the server at `uri`, or that MLFLOW_TRACKING_URI is not used: a line each."""
    lines = []
    given = [name for name in LOG_IN if environment.get(name)]
    if given and not may_log_in(uri, named, environment):
        lines.append(
            f"tracking server {uri}: only the study names it, so that {' and '.join(given)} are not sent there; "
            f"to send them: --tracking-uri {uri}, or {SERVER}={uri}"
        )
    asked = environment.get(SERVER)
    if asked and asked != uri and _server(asked) != (_server(uri) or ()):
        where = "stay in the study's folder" if uri is None else f"go to {uri}"
        lines.append(f"{SERVER} is not used: the runs {where}; to send them to its server: --tracking-uri")
    return lines


def _server(uri: str | None) -> tuple[str, str, int] | None:
    """Scheme, host and port of a web address; None for what is none, or what two programs might read differently."""
    try:
        parts = urlsplit(uri or "")
        if parts.scheme not in PORTS or not parts.hostname or not re.fullmatch(r"[\w.:[\]-]+", parts.netloc):
            return None
        return parts.scheme, parts.hostname, parts.port or PORTS[parts.scheme]
    except ValueError:
        return None
