"""The nodes of the cluster as they come and go: how many units they hold at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import ray
from ray._private.state import state as cluster_state

from sweep.config import ResourcesConfig

LOOK_EVERY_S = 2.0


class Slots:
    """How many units run at a time: as many as fit on the nodes that are there, or that the autoscaler can add.

    Nodes that are about to be taken back do not count. `resources.concurrent` is the most in any case.
    """

    def __init__(self, resources: ResourcesConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._resources = resources
        self._clock = clock
        self._looked = -LOOK_EVERY_S
        self._number = 0

    def __call__(self) -> int:
        """The number, at most two seconds old."""
        if self._clock() - self._looked >= LOOK_EVERY_S:
            self._number = self._count()
            self._looked = self._clock()
        return self._number

    def _count(self) -> int:
        here = sum(units_on(node, self._resources) for node in nodes())
        return min(self._resources.concurrent or max(here, self._at_most()), max(here, self._at_most()))

    def _at_most(self) -> int:
        """What fits when the autoscaler has added all that it may; 0 where there is none, or it says nothing."""
        config = cluster_state.get_cluster_config()
        groups = config.node_group_configs if config is not None else ()
        return sum(
            group.max_count * units_on(group.resources, self._resources)
            for group in groups
            if group.max_count > 0
        )


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


def bundle(resources: ResourcesConfig) -> dict[str, float]:
    """What a unit takes of a node, in Ray's names."""
    asked = {"CPU": resources.cpu, "GPU": resources.gpu, **resources.custom}
    return {name: amount for name, amount in asked.items() if amount}


def described(amounts: Mapping[str, float]) -> str:
    """`4 CPU and 1 GPU`."""
    return " and ".join(f"{amount:g} {name}" for name, amount in amounts.items())
