"""The clouds' notices, from a real server that answers as theirs do."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from sweep.execution import spot_notice as notice
from sweep.execution.spot_notice import Aws, Gcp, NoticeError, await_notice, cloud_here, sole_watcher


class Metadata(BaseHTTPRequestHandler):
    """AWS's service (session tokens demanded) and Google's (its header demanded) at one address."""

    answers: ClassVar[dict[str, tuple[int, str]]] = {}
    down: ClassVar[bool] = False

    def do_PUT(self) -> None:
        known = self.path == "/latest/api/token" and "X-aws-ec2-metadata-token-ttl-seconds" in self.headers
        self._answer(*((200, "a-token") if known and "aws" in self.answers else (404, "")))

    def do_GET(self) -> None:
        if self.path == "/latest/meta-data/spot/instance-action":
            allowed = self.headers.get("X-aws-ec2-metadata-token") == "a-token"
            self._answer(*(self.answers["aws"] if allowed else (401, "")))
        elif self.path == "/computeMetadata/v1/instance/preempted" and "gcp" in self.answers:
            allowed = self.headers.get("Metadata-Flavor") == "Google"
            self._answer(*(self.answers["gcp"] if allowed else (403, "")))
        else:
            self._answer(404, "")

    def _answer(self, status: int, text: str) -> None:
        self.send_response(503 if self.down else status)
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Metadata]]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{server.server_port}")
    monkeypatch.setattr(Metadata, "answers", {})
    monkeypatch.setattr(Metadata, "down", False)
    yield Metadata
    server.shutdown()
    server.server_close()


def in_two_minutes() -> str:
    goes = datetime.now(UTC) + timedelta(seconds=120)
    return json.dumps({"action": "terminate", "time": goes.strftime("%Y-%m-%dT%H:%M:%SZ")})


def test_aws_says_nothing_until_two_minutes_before(service: type[Metadata]) -> None:
    service.answers["aws"] = (404, "")
    assert Aws().notice() is None
    service.answers["aws"] = (200, in_two_minutes())
    found = Aws().notice()
    assert found is not None
    assert 100 < found.seconds <= 120
    assert found.why.startswith("AWS: terminate of this spot instance at 2")


def test_gcp_says_false_until_thirty_seconds_before(service: type[Metadata]) -> None:
    service.answers["gcp"] = (200, "FALSE")
    assert Gcp().notice() is None
    service.answers["gcp"] = (200, "TRUE")
    found = Gcp().notice()
    assert found is not None
    assert found.seconds == 30


@pytest.mark.parametrize("name", ["aws", "gcp"])
def test_the_cloud_is_the_one_that_answers(service: type[Metadata], name: str) -> None:
    service.answers[name] = (404, "") if name == "aws" else (200, "FALSE")
    assert cloud_here().name == name.upper()


@pytest.mark.parametrize("nonsense", ['{"action": "terminate"}', '{"action": "stop", "time": "soon"}', "[]"])
def test_an_answer_that_makes_no_sense_is_asked_for_again(service: type[Metadata], nonsense: str) -> None:
    service.answers["aws"] = (200, nonsense)

    def pause(seconds: float) -> None:
        service.answers["aws"] = (404, "")

    assert cloud_here(pause).name == "AWS"


def test_a_machine_of_no_cloud_is_told_so(service: type[Metadata], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice, "FIRST_ANSWER_S", 0.0)
    with pytest.raises(NoticeError, match=r"no metadata service of AWS or GCP answers here"):
        cloud_here(lambda seconds: None)


def test_waiting_outlasts_a_service_that_is_away_and_answers_that_make_no_sense(
    service: type[Metadata],
) -> None:
    service.answers["aws"] = (200, in_two_minutes())
    service.down = True
    pauses = []

    def pause(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            service.down = False
            service.answers["aws"] = (200, '{"action": "terminate", "time": "soon"}')
        elif len(pauses) == 3:
            service.answers["aws"] = (200, in_two_minutes())

    assert await_notice(Aws(), pause).seconds > 100
    assert pauses == [5.0] * 3


def test_one_watcher_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notice.tempfile, "gettempdir", lambda: str(tmp_path))
    with (
        sole_watcher(),
        pytest.raises(NoticeError, match=r"another `respsweep cluster watch`"),
        sole_watcher(),
    ):
        pass
    with sole_watcher():
        pass
