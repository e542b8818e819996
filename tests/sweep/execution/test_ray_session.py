"""When Ray comes into the driver's process, and how it is left; whole runs are in tests/sweep/driver/."""

import atexit
import contextlib
import gc
import json
import os
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private import worker

from sweep.config.study_parts import ResourcesConfig
from sweep.execution import ray_session, slots
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_doors import asks_for_token
from sweep.execution.ray_session import (
    ENVIRONMENT,
    RaySession,
    abandon_ray,
    check_machine,
    machine_resources,
    start_ray,
    stop_ray,
)
from tests.ray_heads import RayHead


class Reference:
    """In a cycle, as Tune's trials hold references to Ray's objects."""

    def __init__(self) -> None:
        self.own = self


def test_while_ray_goes_down_no_thread_can_collect_what_refers_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    garbage = weakref.ref(Reference())
    seen = []

    def shutdown() -> None:
        seen.append((garbage() is None, gc.isenabled()))
        raise RuntimeError("Ray is gone already")

    monkeypatch.setattr(ray, "shutdown", shutdown)
    stop_ray()
    assert seen == [(True, False)]
    assert gc.isenabled()


def test_what_a_ray_that_is_gone_has_left_is_killed_though_some_of_it_ends_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Ray brings it along.
    import psutil  # pyright: ignore[reportMissingModuleSource]

    ended = subprocess.Popen(["true"])
    ended.wait()
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess; print(subprocess.Popen(['sleep', '100']).pid, flush=True); input()",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    agent = psutil.Process(int(parent.stdout.readline()))
    node = SimpleNamespace(
        all_processes={"raylet": [SimpleNamespace(process=ended), SimpleNamespace(process=parent)]},
        kill_all_processes=lambda **_: parent.kill(),
    )
    monkeypatch.setattr(worker, "_global_node", node)
    monkeypatch.setattr(atexit, "register", lambda _: None)
    # It ends between the question whether it is there and the one about its children.
    monkeypatch.setattr(psutil, "pid_exists", lambda pid: True)
    abandon_ray()
    parent.communicate()
    with contextlib.suppress(psutil.NoSuchProcess):
        while agent.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.05)


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


def test_importing_the_driver_brings_no_ray_and_sets_nothing() -> None:
    code = """
import json, os, sys
import sklearn  # sets two variables of its own
before = dict(os.environ)
import sweep.driver.run
changed = {name for name in {*before, *os.environ} if before.get(name) != os.environ.get(name)}
print(json.dumps([sorted(changed), [name for name in ("ray", "mlflow") if name in sys.modules]]))
"""
    clean = {name: value for name, value in os.environ.items() if name not in ENVIRONMENT}
    done = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], []]


def test_a_machine_is_looked_at_without_starting_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_OVERRIDE_RESOURCES", json.dumps({"CPU": 2, "GPU": 1}))
    check_machine(ResourcesConfig(cpu=2, gpu=1))
    with pytest.raises(ExecutorError, match=r"this machine has 2 CPU and 1 GPU: --set resources\.gpu=1, or"):
        check_machine(ResourcesConfig(cpu=1, gpu=2))
    assert not ray.is_initialized()


def test_workers_are_told_where_our_code_lies_and_of_no_other_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    told: dict[str, Any] = {}
    monkeypatch.setattr(ray, "init", lambda **settings: told.update(settings))
    monkeypatch.chdir(tmp_path)
    start_ray("local")
    # Otherwise what is started next asks for the token of this one.
    stop_ray()
    config = told["job_config"]
    assert config._py_driver_sys_path == [str(Path(ray_session.__file__).parents[2])]
    # Ray asks this before it adds the working directory and the script's folder.
    assert config._runtime_env_has_working_dir()


@pytest.mark.slow
def test_workers_import_our_code_also_where_the_driver_is_among_files_of_the_same_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("data", "model", "sweep"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('a file of the user')")
    monkeypatch.chdir(tmp_path)

    def look() -> tuple[list[str], list[str | None]]:
        import data.errors
        import model
        import sweep

        return sys.path, [module.__file__ for module in (data, model, sweep)]

    start_ray("local")
    try:
        path, files = ray.get(ray.remote(look).remote(), timeout=120)
    finally:
        stop_ray()
    root = Path(ray_session.__file__).parents[2]
    assert files == [str(root / name / "__init__.py") for name in ("data", "model", "sweep")]
    assert str(tmp_path) not in path


@pytest.mark.slow
def test_ray_counts_here_what_was_counted_before_it_started() -> None:
    before = machine_resources()
    start_ray("local")
    try:
        (node,) = ray.nodes()
        counted = {name: node["Resources"].get(name, 0) for name in ("CPU", "GPU")}
    finally:
        stop_ray()
    assert counted == {name: before.get(name, 0) for name in ("CPU", "GPU")}


@pytest.mark.slow
def test_a_ray_with_a_token_is_told_from_one_without(ray_head: RayHead) -> None:
    assert asks_for_token(ray_head.address) is False
    start_ray("local")
    try:
        assert asks_for_token(ray.get_runtime_context().gcs_address) is True
    finally:
        stop_ray()


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
