"""How many units run at a time, as nodes come and go; real nodes are in tests/scenarios."""

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml

from sweep.config.study_parts import ResourcesConfig
from sweep.execution import nodes
from sweep.execution import slots as executor_slots
from sweep.execution.errors import ExecutorError, StoppedWaitingError
from sweep.execution.slots import Slots, await_slots, units_on_cluster


class Cluster:
    """What Ray tells of its nodes, in its own words."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, float]] = {"head": {"CPU": 4.0}}
        self.dead: set[str] = set()
        self.leaving: dict[str, int] = {}

    def get_draining_nodes(self) -> dict[str, int]:
        return self.leaving

    def table(self) -> list[dict[str, Any]]:
        return [
            {
                "NodeID": name,
                "NodeManagerAddress": "10.0.0.1",
                "Alive": name not in self.dead,
                "Resources": resources,
            }
            for name, resources in self.nodes.items()
        ]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(nodes, "cluster_state", cluster)
    monkeypatch.setattr(nodes.ray, "nodes", cluster.table)
    monkeypatch.setattr(executor_slots, "CLUSTER_FILE", tmp_path / "ray_bootstrap_config.yaml")
    return cluster


@pytest.mark.parametrize("address", ["local", "auto"])
def test_nodes_that_join_bring_slots_and_those_that_go_take_them(cluster: Cluster, address: str) -> None:
    now = [0.0]
    slots = Slots(ResourcesConfig(cpu=1, gpu=1), address, lambda: now[0])
    assert slots() == 0
    cluster.nodes["one"] = cluster.nodes["two"] = {"CPU": 8.0, "GPU": 4.0}
    assert slots() == 0, "it looks every two seconds"
    for leaving, dead, expected in [({}, set(), 8), ({"one": 0}, set(), 4), ({"one": 0}, {"two"}, 0)]:
        cluster.leaving, cluster.dead = leaving, dead
        now[0] += 3
        assert slots() == slots.here == expected


def test_a_barred_node_has_room_for_no_more_than_what_runs_there(cluster: Cluster) -> None:
    cluster.nodes = {"one": {"CPU": 4.0}, "two": {"CPU": 4.0}, "small": {"CPU": 0.5}}
    slots = Slots(ResourcesConfig(cpu=1), "auto")
    assert slots.nodes == {"10.0.0.1/one": 4, "10.0.0.1/two": 4}
    assert slots({"10.0.0.1/one": 2}) == 6
    assert Slots(ResourcesConfig(cpu=1, concurrent=5), "local")({"10.0.0.1/one": 0}) == 4


@pytest.mark.parametrize(
    ("resources", "units"),
    [
        (ResourcesConfig(cpu=4, gpu=1), 8),
        (ResourcesConfig(cpu=1, gpu=0.25), 32),
        (ResourcesConfig(cpu=1, gpu=0.5), 16),
        (ResourcesConfig(cpu=8, gpu=1), 0),
    ],
)
def test_on_aws_units_are_handed_out_before_there_is_a_gpu(
    cluster: Cluster, resources: ResourcesConfig, units: int
) -> None:
    shipped = Path(__file__).parents[3] / "cluster.yaml"
    assert units_on_cluster(yaml.safe_load(shipped.read_text()), resources) == units
    executor_slots.CLUSTER_FILE.write_text(shipped.read_text())
    slots = Slots(resources, "auto")
    assert (slots(), slots.here) == (units, 0)
    assert Slots(resources, "local")() == 0


def test_the_roomiest_nodes_of_a_cluster_file_are_counted_first() -> None:
    types = {
        "head": {"resources": {"CPU": 64, "GPU": 8}, "max_workers": 0},
        "small": {"resources": {"CPU": 4, "GPU": 1}, "max_workers": 9},
        "large": {"resources": {"CPU": 16, "GPU": 4}, "max_workers": 2},
    }
    cluster = {"max_workers": 5, "head_node_type": "head", "available_node_types": types}
    assert units_on_cluster(cluster, ResourcesConfig(cpu=4, gpu=1)) == 2 * 4 + 3
    assert units_on_cluster({}, ResourcesConfig()) == 0


@pytest.mark.parametrize(("address", "expected"), [("auto", 50), ("local", 4)])
def test_as_many_as_asked_for_wait_on_a_cluster_whatever_is_there(
    cluster: Cluster, address: str, expected: int
) -> None:
    assert Slots(ResourcesConfig(concurrent=50), address)() == expected
    assert Slots(ResourcesConfig(concurrent=3), address)() == 3


@pytest.mark.parametrize("address", ["auto", "local"])
def test_a_unit_that_fits_nowhere_is_refused_with_the_settings_that_let_it_fit(
    cluster: Cluster, address: str
) -> None:
    with pytest.raises(ExecutorError) as refused:
        await_slots(ResourcesConfig(cpu=4, gpu=1), address, print, join_s=0.0)
    text, _, autoscaler = str(refused.value).partition("; or, ")
    assert text == (
        "a unit needs 4 CPU and 1 GPU on one machine; the largest here has 4 CPU and 0 GPU: "
        "--set resources.gpu=0, or change resources in the study file"
    )
    assert autoscaler == (
        "where an autoscaler adds nodes, set resources.concurrent" if address == "auto" else ""
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1])
def test_a_driver_that_waits_for_its_first_node_ends_in_good_order_when_told_to(
    cluster: Cluster, number: int
) -> None:
    before = signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    told = threading.Timer(0.3, os.kill, (os.getpid(), number))
    told.start()
    try:
        with pytest.raises(StoppedWaitingError, match="nothing has run"):
            await_slots(ResourcesConfig(cpu=1, gpu=1), "head", lambda line: None, join_s=5.0)
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
    finally:
        told.join()
        signal.signal(signal.SIGUSR1, before)
