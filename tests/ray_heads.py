"""Ray on this machine: started once for many tests, or by a test of its own in a folder of its own."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest


@pytest.fixture
def ray_folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a Ray that this test starts keeps its sockets and logs, away from other Rays on this machine."""
    # Not in tmp_path: names of sockets must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


@dataclass(frozen=True)
class RayHead:
    """A Ray on this machine that outlives the studies run on it.

    `folder`: where it keeps sockets and logs, which is in the environment of its workers as RAY_TMPDIR and of no other
    Ray's. `cache`: what they have as RESPSWEEP_CACHE.
    """

    address: str
    folder: Path
    cache: Path


@pytest.fixture(scope="session")
def ray_head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RayHead]:
    """A Ray that is started once: that takes several times as long as connecting to it and training a tiny unit."""
    from ray.cluster_utils import Cluster

    from sweep.execution.ray_environment import prepare_ray

    cache = tmp_path_factory.mktemp("cache")
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("RAY_TMPDIR", folder)
            patch.setenv("RESPSWEEP_CACHE", str(cache))
            # Ray gives workers the lowest priority but four, and they would starve beside other tests.
            patch.setenv("RAY_worker_niceness", "0")
            prepare_ray()
            cluster = Cluster(initialize_head=True, head_node_args={"include_dashboard": False})
        assert cluster.address is not None
        try:
            yield RayHead(cluster.address, Path(folder), cache)
        finally:
            cluster.shutdown()


@pytest.fixture
def kept_ray(ray_head: RayHead, copied_tables: None, monkeypatch: pytest.MonkeyPatch) -> RayHead:
    """Studies of this machine connect to `ray_head` where they would start Ray, and leave it when they end.

    Their runs are in copies of `empty_tables`. All else is as with a Ray and a database of their own;
    `tests/sweep/test_cli.py` has a study that makes both.
    """
    from sweep.execution import ray_session
    from sweep.execution.ray_connection import start_ray

    monkeypatch.setattr(ray_session, "start_ray", lambda _: start_ray(ray_head.address))
    monkeypatch.setenv("RESPSWEEP_CACHE", str(ray_head.cache))
    return ray_head
