"""Users of an MLflow server that asks for passwords: its administrator, and what MLflow's basic-auth app needs."""

from __future__ import annotations

import base64
import http.client
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import create_engine, inspect, text

from data.errors import UserError

USERNAME = "MLFLOW_TRACKING_USERNAME"
PASSWORD = "MLFLOW_TRACKING_PASSWORD"
SHORTEST_PASSWORD = 12
KNOWN_PASSWORD = "password1234"
"""The administrator's password in older versions of MLflow, which newer ones refuse."""


class TrackingAuthError(UserError):
    """An administrator whom MLflow cannot have: a bad name, or no usable password."""


@dataclass(frozen=True)
class Administrator:
    """Who may do everything on a server. `password` is None when the users' database knows the administrator already."""

    name: str
    password: str | None = field(default=None, repr=False)
    made_up: bool = False


def administrator(database: str, environment: Mapping[str, str], terminal: bool) -> Administrator:
    """Choose the administrator that MLflow's own variables in `environment` name, with a password made up if need be.

    A password is made up at random, and only where a `terminal` shows it: elsewhere a log would keep it. Raises
    TrackingAuthError when there is no password, or none that MLflow takes.
    """
    name, password = environment.get(USERNAME) or "admin", environment.get(PASSWORD)
    if ":" in name:
        raise TrackingAuthError(f"{USERNAME}: {name} holds a colon, which HTTP cannot send in a user's name")
    if password:
        if len(password) < SHORTEST_PASSWORD or password == KNOWN_PASSWORD:
            raise TrackingAuthError(
                f"{PASSWORD}: is shorter than {SHORTEST_PASSWORD} characters, or everybody's; take another one"
            )
        return Administrator(name, password)
    if _is_known(database, name):
        return Administrator(name)
    if not terminal:
        raise TrackingAuthError(
            f"{name} has no password yet, and a made-up one would stay in a log; set {PASSWORD}"
        )
    return Administrator(name, secrets.token_urlsafe(18), made_up=True)


def auth_environment(admin: Administrator, database: str, folder: Path) -> dict[str, str]:
    """Variables that MLflow's basic-auth app reads; writes the app's settings, without passwords, into `folder`.

    Users other than the administrator see only what is granted to them.
    """
    settings = folder / "basic_auth.ini"
    # configparser reads % as the beginning of a reference.
    location = database.replace("%", "%%")
    settings.write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = {location}\nadmin_username = admin\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    return {
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_USERNAME": admin.name,
        "MLFLOW_AUTH_ADMIN_PASSWORD": admin.password or "",
        # Signs the forms of one server, whose processes all inherit it.
        "MLFLOW_FLASK_SERVER_SECRET_KEY": secrets.token_hex(32),
    }


def check_password(admin: Administrator, address: str, port: int, database: str) -> None:
    """Raise TrackingAuthError when a running server knows the administrator by another password."""
    if admin.password is None:
        return
    token = base64.b64encode(f"{admin.name}:{admin.password}".encode()).decode()
    connection = http.client.HTTPConnection(address, port, timeout=30)
    try:
        path = f"/api/2.0/mlflow/users/get?username={quote(admin.name, safe='')}"
        connection.request("GET", path, headers={"Authorization": f"Basic {token}"})
        status = connection.getresponse().status
    finally:
        connection.close()
    if status == http.HTTPStatus.UNAUTHORIZED:
        raise TrackingAuthError(
            f"{PASSWORD}: {admin.name} has another one in {database}; give that, or remove the users there to begin anew"
        )


def _is_known(database: str, name: str) -> bool:
    engine = create_engine(database)
    try:
        with engine.connect() as connection:
            if not inspect(connection).has_table("users"):
                return False
            found = connection.execute(text("SELECT 1 FROM users WHERE username = :name"), {"name": name})
            return found.first() is not None
    finally:
        engine.dispose()
