"""Who gets into a Ray that is started here; that nobody else does is tried in tests/scenarios/test_other_users.py."""

import os
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from ray._private import ray_constants, services

from sweep.config.study_parts import ResourcesConfig
from sweep.execution import ray_doors, ray_session, slots
from sweep.execution.errors import ExecutorError
from sweep.execution.ray_connection import start_ray, stop_ray
from sweep.execution.ray_doors import LONGEST_FOLDER, NO_METRICS, RayDoors, asks_for_token, ray_folder
from sweep.execution.ray_session import RaySession
from sweep.execution.this_machine import machine_resources
from tests.ray_heads import RayHead


def test_doors_are_shut_for_one_session_and_as_they_were_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of-a-cluster")
    before = dict(os.environ)
    tokens = set()
    for _ in range(2):
        doors = RayDoors()
        doors.shut()
        try:
            assert services.get_node_ip_address() == "127.0.0.1"
            assert os.environ["RAY_AUTH_MODE"] == "token"
            assert len(os.environ["RAY_AUTH_TOKEN"]) == 64
            assert {name: os.environ[name] for name in NO_METRICS} == NO_METRICS
            tokens.add(os.environ["RAY_AUTH_TOKEN"])
        finally:
            doors.restore()
        assert dict(os.environ) == before
        assert ray_constants.ENABLE_RAY_CLUSTER
    assert len(tokens) == 2


def test_a_start_that_fails_leaves_the_environment_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import ray

    def init(**options: object) -> None:
        raise OSError("AF_UNIX path length cannot exceed 107 bytes")

    machine_resources()
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setattr(ray_doors, "LONGEST_FOLDER", 1000)
    monkeypatch.setattr(ray, "init", init)
    before = dict(os.environ)
    with pytest.raises(ExecutorError, match=r"^Ray does not start on this machine: AF_UNIX path length"):
        RaySession.start(ResourcesConfig(), "local", print)
    assert dict(os.environ) == before
    assert ray_constants.ENABLE_RAY_CLUSTER


def test_a_cluster_without_tokens_is_refused_before_it_is_joined(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    monkeypatch.setattr(ray, "init", lambda **options: pytest.fail("joined"))
    monkeypatch.setenv("RAY_AUTH_MODE", "Disabled")
    with pytest.raises(ExecutorError, match=r"^address auto: RAY_AUTH_MODE=disabled, .*=token, and unset it"):
        start_ray("auto")


@pytest.fixture
def head() -> Iterator[Callable[[grpc.StatusCode], str]]:
    """Starts what answers, at the address that is returned, as Ray's head does to who asks whether it is alive."""
    servers = []

    def start(answer: grpc.StatusCode) -> str:
        def is_alive(request: bytes, context: grpc.ServicerContext) -> bytes:
            assert not {"authorization"} & {key for key, _ in context.invocation_metadata()}
            if answer is not grpc.StatusCode.OK:
                context.abort(answer, "InvalidAuthToken")
            return b""

        methods = {"CheckAlive": grpc.unary_unary_rpc_method_handler(is_alive)}
        server = grpc.server(ThreadPoolExecutor(1))
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("ray.rpc.NodeInfoGcsService", methods),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        return f"127.0.0.1:{port}"

    yield start
    for server in servers:
        server.stop(None).wait()


@pytest.mark.parametrize(
    ("answer", "asks"),
    [
        (grpc.StatusCode.UNAUTHENTICATED, True),
        (grpc.StatusCode.OK, False),
        (grpc.StatusCode.UNIMPLEMENTED, None),
        (grpc.StatusCode.INTERNAL, None),
    ],
)
def test_a_head_that_refuses_who_has_no_token_asks_for_one(
    head: Callable[[grpc.StatusCode], str], answer: grpc.StatusCode, asks: bool | None
) -> None:
    assert asks_for_token(head(answer)) is asks


def test_a_head_that_is_away_says_nothing() -> None:
    assert asks_for_token("127.0.0.1:9", timeout_s=1.0) is None


@pytest.mark.parametrize("answer", [grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.OK])
def test_a_cluster_that_asks_for_no_token_is_joined_with_a_warning(
    monkeypatch: pytest.MonkeyPatch, head: Callable[[grpc.StatusCode], str], answer: grpc.StatusCode
) -> None:
    import ray

    class Context:
        gcs_address = head(answer)

    monkeypatch.setattr(ray_session, "start_ray", lambda address: None)
    monkeypatch.setattr(ray_session, "stop_ray", lambda: None)
    monkeypatch.setattr(ray, "get_runtime_context", Context)
    monkeypatch.setattr(slots, "nodes", lambda: {"node": {"CPU": 1.0}})
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        RaySession.start(ResourcesConfig(cpu=1, gpu=0), "auto", print).stop()
    told = [str(warning.message) for warning in caught]
    if answer is grpc.StatusCode.OK:
        (line,) = told
        assert line.startswith("address auto: this cluster asks for no token, so whoever reaches its")
    else:
        assert told == []


def test_rays_files_are_in_a_folder_that_only_its_user_enters(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ray_doors, "LONGEST_FOLDER", 1000)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    folder = tmp_path / f"ray-{os.getuid()}"
    assert ray_folder() == str(folder / "ray")
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o755)
    ray_folder()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_folder_that_another_user_has_made_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(ray_doors, "LONGEST_FOLDER", 1000)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    theirs = tmp_path / f"ray-{os.getuid()}"
    (tmp_path / "elsewhere").mkdir()
    theirs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ExecutorError, match=r"made by another user.*set RAY_TMPDIR to a folder of your own"):
        ray_folder()
    theirs.unlink()
    theirs.write_text("")
    with pytest.raises(ExecutorError, match=r"cannot be kept there: File exists"):
        ray_folder()


def test_a_long_tmpdir_gives_way_to_tmp_and_a_long_ray_tmpdir_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    long = "/" + "x" * LONGEST_FOLDER
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", long)
    assert ray_folder() == f"/tmp/ray-{os.getuid()}/ray"
    monkeypatch.setenv("RAY_TMPDIR", long)
    with pytest.raises(ExecutorError, match=rf"too long for .* sockets; expected at most {LONGEST_FOLDER}"):
        ray_folder()


@pytest.mark.slow
def test_a_ray_with_a_token_is_told_from_one_without(ray_head: RayHead) -> None:
    import ray

    assert asks_for_token(ray_head.address) is False
    start_ray("local")
    try:
        assert asks_for_token(ray.get_runtime_context().gcs_address) is True
    finally:
        stop_ray()
