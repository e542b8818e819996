"""How many units run at a time, as nodes come and go."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.errors import ExecutorError, StoppedWaitingError
from sweep.execution.nodes import nodes
from sweep.execution.room import bundle, described, no_room, units_on

LOOK_EVERY_S = 2.0
CLUSTER_FILE = Path("~/ray_bootstrap_config.yaml")
"""Where `ray up` puts the cluster's file on the head."""
NONE_BARRED: Mapping[str, int] = {}


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
        self._nodes: dict[str, int] = {}
        self._to_come = 0
        if address == "head":
            self._to_come = resources.concurrent or 0
        elif address != "local":
            self._to_come = resources.concurrent or units_on_cluster(_cluster_file(), resources)

    def __call__(self, barred: Mapping[str, int] = NONE_BARRED) -> int:
        """Say how many units to hand out at a time, by a look at the nodes at most two seconds old.

        `barred`: nodes that get no unit now, with the number of units that still run on each.
        """
        here = sum(barred.get(name, places) for name, places in self.nodes.items())
        most = max(here, self._to_come)
        return min(self._resources.concurrent or most, most)

    @property
    def here(self) -> int:
        """Number of units that fit on the nodes that are there now."""
        return sum(self.nodes.values())

    @property
    def nodes(self) -> Mapping[str, int]:
        """Number of units that fit on each node that is there now, by its name."""
        if self._clock() - self._looked >= LOOK_EVERY_S:
            fit = {name: units_on(node, self._resources) for name, node in nodes().items()}
            self._nodes = {name: units for name, units in fit.items() if units}
            self._looked = self._clock()
        return self._nodes


def await_slots(
    resources: ResourcesConfig, address: str, say: Callable[[str], None], *, join_s: float
) -> Slots:
    """Wait until there is room for a unit: on a cluster, `join_s` seconds for a node that may still be joining.

    Raises ExecutorError when no machine can take a unit.
    """
    slots = Slots(resources, address)
    deadline = time.monotonic() + (0.0 if address == "local" else join_s)
    told = False
    while not slots():
        if time.monotonic() >= deadline:
            largest = max(
                nodes().values(), key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)), default={}
            )
            hint = "; or, where an autoscaler adds nodes, set resources.concurrent" * (address != "local")
            raise ExecutorError(no_room(resources, largest, "the largest here") + hint)
        if not told:
            say(f"waiting for a node with {described(bundle(resources))}")
            told = True
        _pause()
    return slots


def units_on_cluster(cluster: Mapping[str, Any], resources: ResourcesConfig) -> int:
    """Count the units that fit when the autoscaler has added all nodes of a cluster file, the roomiest first."""
    left, units = cluster.get("max_workers", 0), 0
    kinds = cluster.get("available_node_types", {}).items()
    types = [kind for name, kind in kinds if name != cluster.get("head_node_type")]
    for kind in sorted(types, key=lambda kind: -units_on(kind.get("resources", {}), resources)):
        count = min(left, kind.get("max_workers", left))
        left -= count
        units += count * units_on(kind.get("resources", {}), resources)
    return units


def _pause() -> None:
    """Wait a second. Raises StoppedWaitingError when Ctrl-C comes, SIGTERM, or the USR1 of a SLURM job that is to end.

    Of them Ray would make a crash, and of USR1 the end of this process with nothing tidied up.
    """
    before: dict[int, Any] = {}
    if threading.current_thread() is threading.main_thread():
        before = {
            number: signal.signal(number, signal.default_int_handler)
            for number in (signal.SIGTERM, signal.SIGUSR1)
        }
    try:
        time.sleep(1)
    except KeyboardInterrupt:
        raise StoppedWaitingError("stopped while it waited for a node; nothing has run") from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cluster_file() -> Mapping[str, Any]:
    path = CLUSTER_FILE.expanduser()
    if not path.exists():
        return {}
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content if isinstance(content, dict) else {}
