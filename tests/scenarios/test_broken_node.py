"""A node that kills its units, beside one that is whole: Ray keeps further units off it, and the study ends.

Head and nodes are Ray's own processes on this machine.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ray import tune

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.ray_environment import prepare_ray
from sweep.execution.slots import Slots
from sweep.execution.tuner import run_units
from sweep.study.events import NodeAccused, UnitLost, UnitPlaced
from sweep.study.units import Configuration, State
from sweep.worker.step_result import Finished, StepResult
from tests.sweep.histories import epoch
from tests.sweep.study.worlds import World

EPOCHS = 10


@pytest.fixture
def cluster(ray_folder: Path) -> Iterator[Any]:
    """A head that runs nothing, and two nodes that take two units each."""
    prepare_ray()
    import ray
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for _ in range(2):
            made.add_node(num_cpus=2)
        ray.init(address=made.address, log_to_driver=False)
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


class Epochs(tune.Trainable):
    """Reports epochs on a whole node, and ends its process on the broken one.

    Each side waits for the other through files in `config["seen"]`, so that a slow machine tries the same thing as a
    fast one. On the broken node two processes die when the driver has heard an epoch, and the others when it has heard
    one since: three of two units. The whole node goes on after its first epoch when two processes have died, and after
    its second when three have.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._told = 0

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._told = 0
        return True

    def step(self) -> dict[str, Any]:
        import ray

        seen = Path(self.config["seen"])
        if ray.get_runtime_context().get_node_id() == self.config["broken"]:
            wait_for(seen, "epoch-*", 1 if count(seen, "death-*") < 2 else 3)
            (seen / f"death-{uuid.uuid4()}").touch()
            os._exit(3)
        # Tune asks for a step when it has heard of the one before.
        if self._told:
            (seen / f"epoch-{uuid.uuid4()}").touch()
            wait_for(seen, "death-*", min(1 + self._told, 3))
        time.sleep(0.5)
        self._told += 1
        ending = Finished(EPOCHS) if self._told == EPOCHS else None
        return StepResult((epoch(self._told, 0.5),), ending).as_tune()


def count(folder: Path, pattern: str) -> int:
    return len(list(folder.glob(pattern)))


def wait_for(folder: Path, pattern: str, wanted: int) -> None:
    """Wait until the folder holds so many files of a pattern, or half a minute has passed."""
    deadline = time.monotonic() + 30
    while count(folder, pattern) < wanted and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.mark.slow
def test_units_are_kept_off_a_node_that_kills_them(cluster: Any, tmp_path: Path) -> None:
    broken = cluster.worker_nodes.copy().pop().node_id
    world = World(seeds=(1,), budget={"configurations": 8}, slots=4, clock=time.time)

    def unit_config(configuration: Configuration, seed: int) -> dict[str, Any]:
        return {"configuration": configuration.number, "seed": seed, "broken": broken, "seen": str(tmp_path)}

    resources = ResourcesConfig(cpu=1)
    slots = Slots(resources, cluster.address)
    run_units(world.coordinator, resources, unit_config, tmp_path, lambda: None, Epochs, slots)

    assert world.coordinator.stop() == "over"
    assert dict(world.board.ended) == {State.FINISHED: 8}
    (accused,) = [event for event in world.heard if isinstance(event, NodeAccused)]
    assert accused.node.endswith(broken)
    lost = [event for event in world.heard if isinstance(event, UnitLost)]
    assert {event.node for event in lost} == {accused.node}
    assert not any(event.counts for event in lost)
    # Both places, and as many again that Ray was asked for before the second death was heard.
    assert len(lost) <= 4
    after = world.heard[world.heard.index(accused) :]
    asked_for_before = len(lost) - 2
    placed = [e for e in after if isinstance(e, UnitPlaced) and e.node == accused.node]
    assert len(placed) <= asked_for_before
