"""How Ray comes into a process and leaves it, and where its workers look for our code."""

import atexit
import contextlib
import gc
import subprocess
import sys
import time
import weakref
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray
from ray._private import worker

from sweep.execution import ray_connection
from sweep.execution.ray_connection import abandon_ray, start_ray, stop_ray


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
    assert config._py_driver_sys_path == [str(Path(ray_connection.__file__).parents[2])]
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
    root = Path(ray_connection.__file__).parents[2]
    assert files == [str(root / name / "__init__.py") for name in ("data", "model", "sweep")]
    assert str(tmp_path) not in path
