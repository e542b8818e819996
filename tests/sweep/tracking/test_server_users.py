"""Who administers a server; that it lets nobody else in is tried on a real one in test_server."""

from pathlib import Path

import pytest
from mlflow.server.auth.config import read_auth_config
from mlflow.server.auth.sqlalchemy_store import SqlAlchemyStore

from sweep.tracking.server_users import Administrator, TrackingAuthError, administrator, auth_environment

PASSWORD = "correct-horse-battery"


@pytest.fixture
def database(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/100%-users.db"


def test_the_variables_of_mlflows_clients_name_the_administrator(database: str) -> None:
    named = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": PASSWORD}
    ann = administrator(database, named, terminal=False)
    assert (ann.name, ann.password, ann.made_up) == ("ann", PASSWORD, False)
    assert PASSWORD not in repr(ann)


@pytest.mark.parametrize(
    ("name", "password", "complaint"),
    [
        ("", "password1234", "MLFLOW_TRACKING_PASSWORD: is shorter than 12 characters, or everybody's"),
        ("", "short-secret"[:11], "MLFLOW_TRACKING_PASSWORD: is shorter"),
        ("a:b", PASSWORD, "MLFLOW_TRACKING_USERNAME: a:b holds a colon"),
    ],
)
def test_an_administrator_whom_mlflow_would_refuse_is_refused_in_one_line(
    database: str, name: str, password: str, complaint: str
) -> None:
    environment = {"MLFLOW_TRACKING_USERNAME": name, "MLFLOW_TRACKING_PASSWORD": password}
    with pytest.raises(TrackingAuthError, match=complaint) as refusal:
        administrator(database, environment, terminal=True)
    assert password not in str(refusal.value)


def test_a_password_is_made_up_where_somebody_can_see_it(database: str) -> None:
    one, other = (administrator(database, {}, terminal=True) for _ in range(2))
    assert one.name == "admin"
    assert one.made_up
    assert one.password
    assert len(one.password) >= 20
    assert one.password != other.password
    with pytest.raises(
        TrackingAuthError, match=r"admin has no password yet, .*; set MLFLOW_TRACKING_PASSWORD"
    ):
        administrator(database, {}, terminal=False)


def test_who_is_there_already_needs_no_password(database: str) -> None:
    store = SqlAlchemyStore()
    store.init_db(database)
    store.create_user("ann", PASSWORD, is_admin=True)
    known = administrator(database, {"MLFLOW_TRACKING_USERNAME": "ann"}, terminal=False)
    assert known == Administrator("ann")
    with pytest.raises(TrackingAuthError, match="admin has no password yet"):
        administrator(database, {}, terminal=False)


def test_mlflow_reads_what_is_meant_and_no_password_is_in_the_file(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in auth_environment(Administrator("ann", PASSWORD), database, tmp_path).items():
        monkeypatch.setenv(name, value)
    config = read_auth_config()
    assert config.admin_username == "ann"
    assert config.admin_password == PASSWORD
    assert config.database_uri == database
    assert config.default_permission == "NO_PERMISSIONS"
    assert PASSWORD not in (tmp_path / "basic_auth.ini").read_text()
