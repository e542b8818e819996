"""How many units fit on nodes as they come and go; real nodes are in test_node_death and tests/cluster."""

from types import SimpleNamespace
from typing import Any

import pytest

from sweep import executor_nodes
from sweep.config import ResourcesConfig
from sweep.executor_nodes import Slots, bundle, described, units_on


@pytest.mark.parametrize(
    ("node", "resources", "fit"),
    [
        ({"CPU": 8.0}, ResourcesConfig(cpu=2), 4),
        ({"CPU": 8.0}, ResourcesConfig(cpu=3), 2),
        ({"CPU": 8.0, "GPU": 1.0}, ResourcesConfig(cpu=1, gpu=0.1), 8),
        ({"CPU": 16.0, "GPU": 1.0}, ResourcesConfig(cpu=1, gpu=0.1), 10),
        ({"CPU": 16.0, "GPU": 2.0}, ResourcesConfig(cpu=1, gpu=0.3), 6),
        ({"CPU": 16.0}, ResourcesConfig(cpu=1, gpu=1), 0),
        ({"CPU": 16.0, "GPU": 4.0, "a100": 1.0}, ResourcesConfig(cpu=1, gpu=1, custom={"a100": 0.5}), 2),
        ({"CPU": 16.0, "GPU": 4.0}, ResourcesConfig(cpu=1, gpu=1, custom={"a100": 0.5}), 0),
    ],
)
def test_units_fit_by_what_runs_out_first(
    node: dict[str, float], resources: ResourcesConfig, fit: int
) -> None:
    assert units_on(node, resources) == fit


def test_a_bundle_names_what_a_unit_takes() -> None:
    resources = ResourcesConfig(cpu=4, gpu=0.5, custom={"accelerator_type:A10G": 0.001})
    assert bundle(resources) == {"CPU": 4, "GPU": 0.5, "accelerator_type:A10G": 0.001}
    assert described(bundle(ResourcesConfig(cpu=4, gpu=0.5))) == "4 CPU and 0.5 GPU"


class Cluster:
    """What Ray tells of its nodes, in its own words."""

    def __init__(self) -> None:
        self.nodes: dict[str, dict[str, float]] = {"head": {"CPU": 4.0}}
        self.dead: set[str] = set()
        self.leaving: dict[str, int] = {}
        self.groups: list[Any] = []

    def get_draining_nodes(self) -> dict[str, int]:
        return self.leaving

    def get_cluster_config(self) -> Any:
        return SimpleNamespace(node_group_configs=self.groups) if self.groups else None

    def table(self) -> list[dict[str, Any]]:
        return [
            {"NodeID": name, "Alive": name not in self.dead, "Resources": resources}
            for name, resources in self.nodes.items()
        ]


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    cluster = Cluster()
    monkeypatch.setattr(executor_nodes, "cluster_state", cluster)
    monkeypatch.setattr(executor_nodes.ray, "nodes", cluster.table)
    return cluster


def test_nodes_that_join_bring_slots_and_those_that_go_take_them(cluster: Cluster) -> None:
    now = [0.0]
    slots = Slots(ResourcesConfig(cpu=1, gpu=1), lambda: now[0])
    assert slots() == 0
    cluster.nodes["one"] = cluster.nodes["two"] = {"CPU": 8.0, "GPU": 4.0}
    assert slots() == 0, "it looks every two seconds"
    for leaving, dead, expected in [({}, set(), 8), ({"one": 0}, set(), 4), ({"one": 0}, {"two"}, 0)]:
        cluster.leaving, cluster.dead = leaving, dead
        now[0] += 3
        assert slots() == expected


@pytest.mark.parametrize(("concurrent", "expected"), [(None, 12), (5, 5), (50, 12)])
def test_what_the_autoscaler_may_add_counts_from_the_beginning(
    cluster: Cluster, concurrent: int | None, expected: int
) -> None:
    cluster.groups = [
        SimpleNamespace(max_count=1, resources={"CPU": 4}),
        SimpleNamespace(max_count=8, resources={"CPU": 4, "GPU": 1}),
        SimpleNamespace(max_count=1, resources={"CPU": 64, "GPU": 4}),
        SimpleNamespace(max_count=-1, resources={"CPU": 4, "GPU": 1}),
    ]
    assert Slots(ResourcesConfig(cpu=4, gpu=1, concurrent=concurrent))() == expected
