"""Units that wait make Ray's own autoscaler, version 2, decide for the nodes of `cluster.yaml`.

The head, its autoscaler and the driver are real. EC2 is moto's, where the machines that are asked for do not come up,
so that no unit ever runs.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.studies import TINY_RECIPE

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SPACE = {
    "data": {"patients": 8, "seed": 0},
    "recipe": {**TINY_RECIPE, "epochs": 2},
    "search": {"patch_mix.temperature": {"type": "float", "low": 0.1, "high": 0.3}},
    "resources": {"cpu": 4, "gpu": 1},
}


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An account of moto's, for every process that this test starts."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for variable in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(variable, "testing")
    try:
        yield boto3.client("ec2", region_name="eu-central-1")
    finally:
        server.stop()


def cluster_file(ec2: Any, home: Path) -> dict[str, Any]:
    """The shipped file as `ray up` would leave it on the head: with a network and images filled in."""
    cluster = deepcopy(yaml.safe_load((ROOT / "cluster.yaml").read_text()))
    network = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    subnet = ec2.create_subnet(VpcId=network, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"]
    image = ec2.register_image(Name="image", Architecture="x86_64", RootDeviceName="/dev/sda1")["ImageId"]
    key = home / "key.pem"
    key.touch()
    for node in cluster["available_node_types"].values():
        node["node_config"] |= {"ImageId": image, "SubnetIds": [subnet], "KeyName": "key"}
    cluster["auth"]["ssh_private_key"] = str(key)
    # What `ray up` adds to a file: empty defaults.
    lists = (
        "initialization_commands",
        "worker_setup_commands",
        "head_setup_commands",
        "cluster_synced_files",
        "rsync_filter",
    )
    cluster |= {name: [] for name in lists}
    cluster |= {
        "file_mounts": {},
        "docker": {},
        "upscaling_speed": 1.0,
        "file_mounts_sync_continuously": False,
    }
    return cluster


@pytest.fixture
def home(ec2: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Of the user on the head. Names of Ray's sockets must be short."""
    with tempfile.TemporaryDirectory(prefix="head-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        monkeypatch.setenv("HOME", name)
        monkeypatch.setenv("RAY_TMPDIR", name)
        (home / "ray_bootstrap_config.yaml").write_text(yaml.safe_dump(cluster_file(ec2, home)))
        yield home


@pytest.fixture
def head(home: Path) -> Iterator[str]:
    """Its address. As in cluster.yaml it offers no CPUs to units."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [
            *(str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=0", f"--port={port}"),
            *("--node-ip-address=127.0.0.1", "--include-dashboard=false", "--disable-usage-stats"),
            f"--autoscaling-config={home / 'ray_bootstrap_config.yaml'}",
        ],
        env={**os.environ, "RAY_enable_autoscaler_v2": "1", "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"},
        stdout=(home / "head.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        wait_for(lambda: listens(port), "the head", home)
        yield f"127.0.0.1:{port}"
    finally:
        end(process)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(30)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


def wait_for(look: Any, what: str, home: Path) -> Any:
    deadline = time.monotonic() + 240
    while not (found := look()):
        if time.monotonic() > deadline:
            logs = "\n".join(
                path.read_text()[-3000:] for path in [*home.glob("*.log"), *home.glob("ray/*/logs/monitor.*")]
            )
            pytest.fail(f"{what}: not in time\n{logs}")
        time.sleep(0.5)
    return found


def added(home: Path) -> Counter[str]:
    """How many nodes of each type the autoscaler says that it adds; each of its lines, which two logs have, once."""
    logs = [path.read_text(errors="replace") for path in home.glob("ray/session_2*/logs/monitor.*")]
    said = set(re.findall(r"Adding (\d+) node\(s\) of type (\w+)", "\n".join(logs)))
    nodes: Counter[str] = Counter()
    for number, kind in said:
        nodes[kind] += int(number)
    return nodes


def test_a_study_on_a_head_without_gpus_makes_the_autoscaler_add_the_nodes_that_its_file_allows(
    head: str, home: Path
) -> None:
    (home / "space.yaml").write_text(yaml.safe_dump(SPACE))
    driver = subprocess.Popen(
        [str(BIN / "respsweep"), "run", "space.yaml", "--address", head],
        cwd=home,
        stdout=(home / "driver.log").open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        # The types share one limit, and the first of them has room for all; a look between two units adds them in parts.
        wait_for(lambda: added(home).get("g6", 0) >= 8, "all nodes that the autoscaler may add", home)
        assert added(home) == {"g6": 8}
        assert driver.poll() is None
        driver.send_signal(signal.SIGINT)
        assert driver.wait(60) == 75
    finally:
        end(driver)
    printed = (home / "driver.log").read_text()
    assert "0 units at a time, up to 8 as nodes come" in printed
    assert "go on with: respsweep run --resume space" in printed
