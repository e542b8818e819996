"""The nodes of the cluster as they come and go: how many units they hold at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ray
import yaml
from ray._private.state import state as cluster_state

from sweep.config.study_config import ResourcesConfig

LOOK_EVERY_S = 2.0
CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` puts the cluster's file on the head."""


class Slots:
    """How many units are handed out at a time.

    On this machine as many as fit, `resources.concurrent` at most. On a cluster as many as fit on the nodes that are
    there to stay, or that its autoscaler may add by the cluster's file: Ray adds nodes for units that wait. Ray itself
    does not tell a driver whether there is an autoscaler, so where it has another file (KubeRay), or none,
    `resources.concurrent` says how many to ask for, whether they fit yet or not.
    """

    def __init__(
        self, resources: ResourcesConfig, address: str = "local", clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._resources = resources
        self._clock = clock
        self._looked = -LOOK_EVERY_S
        self._here = 0
        self._to_come = 0
        if address != "local":
            self._to_come = resources.concurrent or units_on_cluster(_cluster_file(), resources)

    def __call__(self) -> int:
        """The number, at most two seconds old."""
        return min(self._resources.concurrent or max(self.here, self._to_come), max(self.here, self._to_come))

    @property
    def here(self) -> int:
        """How many fit on the nodes that are there now."""
        if self._clock() - self._looked >= LOOK_EVERY_S:
            self._here = sum(units_on(node, self._resources) for node in nodes())
            self._looked = self._clock()
        return self._here


def nodes() -> list[Mapping[str, float]]:
    """Resources of each node that is there to stay."""
    leaving = cluster_state.get_draining_nodes() or {}
    return [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in leaving]


def units_on(node: Mapping[str, float], resources: ResourcesConfig) -> int:
    """How many units fit on a node with these resources."""
    asked = bundle(resources)
    # Ray counts resources in ten-thousandths, in which a tenth of a GPU fits ten times.
    return min(
        int(round(10_000 * node.get(name, 0)) // round(10_000 * amount)) for name, amount in asked.items()
    )


def units_on_cluster(cluster: Mapping[str, Any], resources: ResourcesConfig) -> int:
    """How many units fit when the autoscaler has added all nodes that a cluster file allows, the roomiest first."""
    left, units = cluster.get("max_workers", 0), 0
    kinds = cluster.get("available_node_types", {}).items()
    types = [kind for name, kind in kinds if name != cluster.get("head_node_type")]
    for kind in sorted(types, key=lambda kind: -units_on(kind.get("resources", {}), resources)):
        count = min(left, kind.get("max_workers", left))
        left -= count
        units += count * units_on(kind.get("resources", {}), resources)
    return units


def bundle(resources: ResourcesConfig) -> dict[str, float]:
    """What a unit takes of a node, in Ray's names."""
    asked = {"CPU": resources.cpu, "GPU": resources.gpu, **resources.custom}
    return {name: amount for name, amount in asked.items() if amount}


def described(amounts: Mapping[str, float]) -> str:
    """`4 CPU and 1 GPU`."""
    return " and ".join(f"{amount:g} {name}" for name, amount in amounts.items())


def _cluster_file() -> Mapping[str, Any]:
    path = CLUSTER_FILE.expanduser()
    if not path.exists():
        return {}
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
