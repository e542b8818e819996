"""A study file from elsewhere gets no password: only a server that the user names is sent one."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from sweep.study.events import StudyStarted
from sweep.tracking.client_log_in import log_in_warnings, may_log_in, withhold_log_in
from sweep.tracking.tracker import Tracker, TrackingError

LAB = "https://mlflow.lab.org"
SECRETS = {"MLFLOW_TRACKING_USERNAME": "ann", "MLFLOW_TRACKING_PASSWORD": "correct-horse-battery"}


@pytest.mark.parametrize(
    ("uri", "named"),
    [
        (LAB, "https://mlflow.lab.org:443/"),
        ("https://MLFLOW.lab.org/path", LAB),
        ("http://[::1]:5000", "http://[::1]:5000/"),
        (None, None),
        ("sqlite:///runs.db", None),
    ],
)
def test_a_server_that_the_user_names_is_sent_the_log_in(uri: str | None, named: str | None) -> None:
    assert may_log_in(uri, named, {})
    assert may_log_in(uri, None, {"MLFLOW_TRACKING_URI": named or ""})


@pytest.mark.parametrize(
    "uri",
    [
        "http://mlflow.lab.org",
        "https://mlflow.lab.org:8443",
        "https://mlflow.lab.org.evil.example",
        "https://evil.example/mlflow.lab.org",
        "HTTPS://evil.example",
        "https://mlflow.lab.org:99999999",
        "https://mlflow.lab.org\\.evil.example",
        "https:mlflow.lab.org",
    ],
)
def test_another_server_than_the_named_one_is_not(uri: str) -> None:
    assert not may_log_in(uri, LAB, {"MLFLOW_TRACKING_URI": LAB})
    assert not may_log_in(uri, None, {})


def test_nothing_is_left_of_a_log_in_that_is_withheld(tmp_path: Path) -> None:
    environment = {**SECRETS, "MLFLOW_TRACKING_TOKEN": "t", "MLFLOW_TRACKING_AUTH": "a", "HOME": "/home/ann"}
    withhold_log_in(environment, tmp_path / "credentials")
    assert environment == {"HOME": "/home/ann"}
    # MLflow's client reads this file where the environment names nobody.
    (tmp_path / "credentials").write_text("[mlflow]\nmlflow_tracking_password = secret\n")
    withhold_log_in(environment, tmp_path / "credentials")
    assert environment["MLFLOW_TRACKING_PASSWORD"] == environment["MLFLOW_TRACKING_USERNAME"] == "withheld"


def test_what_is_not_sent_or_not_used_is_said_in_a_line() -> None:
    (line,) = log_in_warnings(LAB, None, SECRETS)
    assert line == (
        f"tracking server {LAB}: only the study names it, so that MLFLOW_TRACKING_USERNAME and "
        f"MLFLOW_TRACKING_PASSWORD are not sent there; to send them: --tracking-uri {LAB}, or MLFLOW_TRACKING_URI={LAB}"
    )
    assert SECRETS["MLFLOW_TRACKING_PASSWORD"] not in line
    assert log_in_warnings(LAB, LAB, SECRETS) == []
    assert log_in_warnings(LAB, None, {}) == []
    assert log_in_warnings(None, None, SECRETS) == []
    (line,) = log_in_warnings(None, None, {"MLFLOW_TRACKING_URI": LAB})
    assert line.startswith("MLFLOW_TRACKING_URI is not used: the runs stay in the study's folder")
    (line,) = log_in_warnings(LAB, LAB, {"MLFLOW_TRACKING_URI": "http://ann:secret@elsewhere"})
    assert line.startswith(f"MLFLOW_TRACKING_URI is not used: the runs go to {LAB}")
    assert "secret" not in line
    assert log_in_warnings(LAB, None, {**SECRETS, "MLFLOW_TRACKING_URI": f"{LAB}:443/"}) == []


@pytest.fixture
def heard() -> Iterator[tuple[str, list[str | None]]]:
    """A server that refuses everybody, and the log-ins that it was sent."""
    log_ins: list[str | None] = []

    class Listener(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            log_ins.append(self.headers.get("Authorization"))
            self.send_response(401)
            self.end_headers()

        do_POST = do_GET

        def log_message(self, format: str, *values: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", log_ins
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("log_in", [True, False])
def test_the_writer_sends_a_password_only_where_it_may(
    heard: tuple[str, list[str | None]], log_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri, log_ins = heard
    for name, secret in SECRETS.items():
        monkeypatch.setenv(name, secret)
    with pytest.raises(TrackingError, match="401, not logged in"):
        Tracker(uri, "study", None, "0" * 32, [StudyStarted((1,), at=1.7e9)], {}, log_in=log_in)
    assert log_ins
    assert all((sent or "").startswith("Basic ") == log_in for sent in log_ins)
