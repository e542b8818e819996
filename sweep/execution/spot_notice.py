"""The clouds' word that a spot machine is about to be taken back, as their metadata services give it to the machine."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import requests
from filelock import FileLock, Timeout

from data.errors import UserError

LOOK_EVERY_S = 5.0
"""As AWS recommends."""
FIRST_ANSWER_S = 60.0
ANSWER_S = 2.0
NO_ANSWER = requests.RequestException, ValueError, KeyError, TypeError
"""Raised where nobody answers, and for answers that make no sense."""


class NoticeError(UserError):
    """No metadata service that could announce anything."""


@dataclass(frozen=True)
class Notice:
    """An announcement that the machine goes in `seconds`, and `why`."""

    seconds: float
    why: str


class Cloud(Protocol):
    """The metadata service of one cloud, as a machine of that cloud sees it."""

    name: str

    def notice(self) -> Notice | None:
        """Ask what the cloud announces now; None for nothing. Raises one of `NO_ANSWER` without a plain answer."""
        ...


class Aws:
    """EC2: `spot/instance-action` is there two minutes before a spot instance goes, and 404 until then.

    IMDSv2 (session tokens); AWS_EC2_METADATA_SERVICE_ENDPOINT moves it, as for AWS's own tools.
    """

    name = "AWS"

    def __init__(self) -> None:
        endpoint = os.environ.get("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://169.254.169.254")
        self._latest = f"{endpoint.rstrip('/')}/latest"

    def notice(self) -> Notice | None:
        lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
        token = requests.put(f"{self._latest}/api/token", headers=lifetime, timeout=ANSWER_S)
        token.raise_for_status()
        answer = requests.get(
            f"{self._latest}/meta-data/spot/instance-action",
            headers={"X-aws-ec2-metadata-token": token.text},
            timeout=ANSWER_S,
        )
        if answer.status_code == requests.codes.not_found:
            return None
        answer.raise_for_status()
        content = answer.json()
        goes = datetime.strptime(content["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        seconds = max(0.0, (goes - datetime.now(UTC)).total_seconds())
        return Notice(seconds, f"AWS: {content['action']} of this spot instance at {content['time']}")


class Gcp:
    """Compute Engine: `instance/preempted` becomes TRUE 30 seconds before a spot machine goes.

    GCE_METADATA_HOST moves it, as for Google's own tools.
    """

    name = "GCP"
    seconds = 30.0

    def __init__(self) -> None:
        host = os.environ.get("GCE_METADATA_HOST", "169.254.169.254")
        self._instance = f"http://{host}/computeMetadata/v1/instance"

    def notice(self) -> Notice | None:
        answer = requests.get(
            f"{self._instance}/preempted", headers={"Metadata-Flavor": "Google"}, timeout=ANSWER_S
        )
        answer.raise_for_status()
        return Notice(self.seconds, "GCP: this machine is preempted") if answer.text == "TRUE" else None


@contextlib.contextmanager
def sole_watcher() -> Iterator[None]:
    """Hold the place of this user's only watcher on this machine. Raises NoticeError when another watches."""
    lock = FileLock(Path(tempfile.gettempdir()) / f"respsweep-watch-{os.getuid()}.lock", timeout=0)
    try:
        with lock:
            yield
    except Timeout:
        raise NoticeError("another `respsweep cluster watch` runs on this machine") from None


def cloud_here(pause: Callable[[float], None] = time.sleep) -> Cloud:
    """Find the cloud to which this machine belongs. Raises NoticeError when none answers within a minute."""
    clouds: tuple[Cloud, ...] = (Aws(), Gcp())
    deadline = time.monotonic() + FIRST_ANSWER_S
    while True:
        for cloud in clouds:
            try:
                cloud.notice()
            except NO_ANSWER:
                continue
            return cloud
        if time.monotonic() > deadline:
            raise NoticeError(
                "no metadata service of AWS or GCP answers here, so nobody would announce that this machine is taken "
                "back; elsewhere: respsweep cluster drain"
            )
        pause(1.0)


def await_notice(cloud: Cloud, pause: Callable[[float], None] = time.sleep) -> Notice:
    """Wait until the machine is to be taken back, and return the notice. A service that is silent is asked again."""
    while True:
        try:
            notice = cloud.notice()
        except NO_ANSWER:
            notice = None
        if notice is not None:
            return notice
        pause(LOOK_EVERY_S)
