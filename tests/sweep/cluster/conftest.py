"""Cluster files with nothing wrong, to be spoilt in one place by each test."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.cluster.check import check_cluster_file
from sweep.cluster.finding import Finding
from sweep.cluster.surroundings import Surroundings

Content = dict[str, Any]
Check = Callable[..., list[Finding]]
PINS = {"ray": "2.60.0", "torch": "2.11.0", "torchaudio": "2.11.0", "mlflow": "3.17.2"}
RAY = "RAY_AUTH_MODE=token ray start"
SERVER = "setsid nohup respsweep ui --serve --studies /mnt/shared/studies > log 2>&1 &"
IMAGE = "registry.example.org/respsweep:0.1.0"

LAUNCHER: Content = {
    "cluster_name": "breath",
    "max_workers": 4,
    "idle_timeout_minutes": 10,
    "provider": {
        "type": "aws",
        "region": "eu-central-1",
        "cache_stopped_nodes": False,
        "security_group": {"GroupName": "lab"},
    },
    "auth": {"ssh_user": "ubuntu"},
    "head_node_type": "head",
    "available_node_types": {
        "head": {
            "resources": {"CPU": 0},
            "node_config": {"InstanceType": "m7i.xlarge", "ImageId": "ami-1"},
        },
        "gpu": {
            "resources": {"CPU": 4, "GPU": 1},
            "min_workers": 0,
            "max_workers": 4,
            "node_config": {
                "InstanceType": "g6.xlarge",
                "ImageId": "ami-2",
                "InstanceMarketOptions": {"MarketType": "spot"},
            },
        },
    },
    "file_mounts": {"~/respsweep": "clone", "~/.ray/auth_token": "~/.ray/auth_token"},
    "rsync_exclude": [".git", ".venv"],
    "setup_commands": ["cd ~/respsweep && make .venv/ready"],
    "head_setup_commands": ["echo '/mnt/shared 10.0.0.0/8(rw)' | sudo tee /etc/exports && sudo exportfs -ra"],
    "worker_setup_commands": [
        "mountpoint -q /mnt/shared || sudo mount -t nfs4 -o nfsvers=4.2,hard $RAY_HEAD_IP:/mnt/shared /mnt/shared"
    ],
    "head_start_ray_commands": [
        f"{RAY} --head --autoscaling-config=~/ray_bootstrap_config.yaml",
        "pkill -f '[r]ay.util.client.server' || true",
        SERVER,
    ],
    "worker_start_ray_commands": [
        f"{RAY} --address=$RAY_HEAD_IP:6379",
        "(setsid nohup respsweep cluster watch > log 2>&1 &)",
    ],
}


def _pod(name: str, resources: Content) -> Content:
    return {
        "spec": {
            "containers": [
                {
                    "name": name,
                    "image": IMAGE,
                    "resources": {"limits": resources},
                    "volumeMounts": [{"name": "shared", "mountPath": "/mnt/shared"}],
                }
            ],
            "volumes": [{"name": "shared", "persistentVolumeClaim": {"claimName": "lab"}}],
        }
    }


KUBERAY: Content = {
    "apiVersion": "ray.io/v1",
    "kind": "RayJob",
    "metadata": {"name": "breath"},
    "spec": {
        "entrypoint": "respsweep run space.yaml --address auto --data /mnt/shared/data --studies /mnt/shared/studies "
        "--tracking-uri http://127.0.0.1:5000",
        "shutdownAfterJobFinishes": True,
        "backoffLimit": 2,
        "rayClusterSpec": {
            "rayVersion": "2.60.0",
            "authOptions": {"mode": "token"},
            "enableInTreeAutoscaling": True,
            "headGroupSpec": {
                "rayStartParams": {"num-cpus": "0"},
                "template": _pod("head", {"cpu": "2", "memory": "8Gi"}),
            },
            "workerGroupSpecs": [
                {
                    "groupName": "gpu",
                    "minReplicas": 0,
                    "maxReplicas": 4,
                    "rayStartParams": {},
                    "template": _pod("worker", {"cpu": "4", "memory": "16Gi", "nvidia.com/gpu": 1}),
                }
            ],
        },
    },
}
KUBERAY["spec"]["rayClusterSpec"]["headGroupSpec"]["template"]["spec"]["containers"].append(
    {"name": "mlflow", "image": IMAGE, "command": ["bash", "-c", "respsweep ui --serve --port 5000"]}
)
NETWORK_POLICY: Content = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "spec": {}}


@pytest.fixture
def here(tmp_path: Path) -> Surroundings:
    """A machine with a clone in `clone` and a private token."""
    (tmp_path / "clone").mkdir()
    (tmp_path / ".ray").mkdir()
    token = tmp_path / ".ray" / "auth_token"
    token.write_text("0123456789abcdef")
    token.chmod(0o600)
    return Surroundings(tmp_path, tmp_path, {}, PINS, "3.11")


@pytest.fixture
def launcher(here: Surroundings) -> Check:
    """What is found in a file for `ray up` after `spoil(content)`, with some of the surroundings changed."""

    def check(spoil: Callable[[Content], object] = lambda content: None, **changed: Any) -> list[Finding]:
        content = deepcopy(LAUNCHER)
        spoil(content)
        path = here.folder / "cluster.yaml"
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return list(check_cluster_file(path, replace(here, **changed)).findings)

    return check


@pytest.fixture
def kuberay(here: Surroundings) -> Check:
    """What is found in a RayJob after `spoil(job)`, with `beside` applied with it."""

    def check(
        spoil: Callable[[Content], object] = lambda content: None,
        beside: tuple[Content, ...] = (NETWORK_POLICY,),
        **changed: Any,
    ) -> list[Finding]:
        job = deepcopy(KUBERAY)
        spoil(job)
        path = here.folder / "job.yaml"
        path.write_text(yaml.safe_dump_all([*beside, job], sort_keys=False))
        return list(check_cluster_file(path, replace(here, **changed)).findings)

    return check
