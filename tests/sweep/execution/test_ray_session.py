"""When a study may have Ray in this process, and when it lets go of it; whole runs are in tests/sweep/driver/."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest
import ray

from sweep.config.study_parts import ResourcesConfig
from sweep.execution import ray_session, slots
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_session import RaySession
from tests.ray_heads import RayHead


def test_the_ray_of_a_user_is_refused_with_the_reason_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def init(**options: object) -> None:
        raise RuntimeError("Maybe you called ray.init twice by accident?")

    ended: list[bool] = []
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray, "init", init)
    monkeypatch.setattr(ray, "shutdown", lambda: ended.append(True))
    with pytest.raises(ExecutorError, match=r"^this process has started Ray already.*ray\.shutdown\(\)"):
        RaySession.start(ResourcesConfig(), "local", print)
    assert ended == []


def test_of_two_studies_in_one_process_the_later_is_refused_and_the_first_keeps_its_ray(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    starting, go_on = threading.Event(), threading.Event()
    ended: list[str] = []
    sessions: list[RaySession] = []

    def start(address: str) -> None:
        starting.set()
        assert go_on.wait(60)

    monkeypatch.setattr(ray_session, "start_ray", start)
    monkeypatch.setattr(ray_session, "stop_ray", lambda: ended.append("ended"))
    monkeypatch.setattr(slots, "nodes", lambda: {"node": {"CPU": 1.0}})
    config = ResourcesConfig(cpu=1, gpu=0)
    first = threading.Thread(target=lambda: sessions.append(RaySession.start(config, "local", print)))
    first.start()
    assert starting.wait(60)
    with pytest.raises(ExecutorError, match=r"^another study runs in this process.*run this one after it"):
        RaySession.start(config, "local", print)
    go_on.set()
    first.join()
    with pytest.raises(ExecutorError, match=r"^another study runs in this process"):
        RaySession.start(config, "local", print)
    assert ended == []
    sessions[0].stop()
    second = RaySession.start(config, "local", print)
    # The first is stopped once more as it is let go; the Ray of the second is not its own.
    sessions[0].stop()
    assert ended == ["ended"]
    second.stop()
    assert ended == ["ended", "ended"]


def test_a_start_that_was_refused_leaves_room_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_session, "start_ray", lambda address: None)
    monkeypatch.setattr(ray_session, "stop_ray", lambda: None)
    monkeypatch.setattr(slots, "nodes", dict)
    for _ in range(2):
        with pytest.raises(ExecutorError, match="a unit needs"):
            RaySession.start(ResourcesConfig(), "local", print)


@pytest.mark.slow
def test_after_a_ray_of_its_own_a_process_can_join_a_cluster_without_tokens(
    ray_head: RayHead, ray_folder: Path
) -> None:
    before = dict(os.environ)
    RaySession.start(ResourcesConfig(), "local", print).stop()
    changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
    assert not {name for name in changed if "AUTH" in name}
    with pytest.warns(UserWarning, match="this cluster asks for no token"):
        session = RaySession.start(ResourcesConfig(), ray_head.address, print)
    try:
        # An actor's owner is called back by the cluster, which fails when only one of them asks for tokens.
        actor: Any = ray.remote(Answer).remote()
        assert ray.get(actor.answer.remote(), timeout=60) == 1
    finally:
        session.stop()


class Answer:
    def answer(self) -> int:
        return 1


@pytest.mark.parametrize(
    ("address", "line"), [("local", "starting Ray"), ("auto", "joining the Ray cluster at auto")]
)
def test_what_takes_long_is_said_before_it_begins(
    monkeypatch: pytest.MonkeyPatch, address: str, line: str
) -> None:
    said: list[str] = []

    def start(address: str) -> None:
        said.append("started")
        raise ExecutorError("no")

    monkeypatch.setattr(ray_session, "start_ray", start)
    with pytest.raises(ExecutorError):
        RaySession.start(ResourcesConfig(), address, said.append)
    assert said == [line, "started"]
