# pyright: reportAttributeAccessIssue=false
"""Ray's nodes and actors by name, from what its head tells; a real broken node is in tests/scenarios."""

from types import SimpleNamespace
from typing import Any

import pytest
from ray.core.generated import common_pb2
from ray.tune import PlacementGroupFactory

from sweep.execution import nodes


class Head:
    """Ray's head, which knows one actor from the second question on, and then is away."""

    def __init__(self) -> None:
        self.asked = 0
        self.away = False

    def actor_table(self, actor: str) -> dict[str, Any]:
        if self.away:
            raise ConnectionError("no head")
        self.asked += 1
        context = common_pb2.ActorDiedErrorContext(reason=common_pb2.ActorDiedErrorContext.NODE_DIED)
        found = {
            "Address": {"IPAddress": "10.0.0.7", "NodeID": "1f2e"},
            "DeathCause": SimpleNamespace(actor_died_error_context=context),
        }
        return found if self.asked > 1 else {}


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Head:
    head = Head()
    monkeypatch.setattr(nodes, "cluster_state", head)
    return head


def test_an_actor_has_a_node_that_is_asked_for_once(head: Head) -> None:
    assert nodes.node_of("of this test alone") == ""
    assert [nodes.node_of("of this test alone") for _ in range(2)] == 2 * ["10.0.0.7/1f2e"]
    assert head.asked == 2
    assert nodes.node_of(None) == ""


def test_a_head_that_is_away_knows_nothing(head: Head) -> None:
    head.asked = 1
    assert nodes.died_with_its_node("an actor")
    head.away = True
    assert not nodes.died_with_its_node("an actor")
    assert nodes.node_of("an actor nobody asked for") == ""


def test_a_unit_is_kept_off_nodes_by_the_label_that_ray_gives_each() -> None:
    bundle = {"CPU": 2.0, "GPU": 0.5}
    anywhere = nodes.place_for(bundle, {"configuration": 0})
    assert anywhere == PlacementGroupFactory([bundle])
    kept_off = nodes.place_for(bundle, {nodes.AVOID: ["10.0.0.8/3d", "10.0.0.7/1f"]})
    selector = [{"ray.io/node-id": "!in(1f,3d)"}]
    assert kept_off == PlacementGroupFactory([bundle], bundle_label_selector=selector)
    assert kept_off != anywhere
