"""Ray's nodes by name, `ADDRESS/ID`: which are there, where an actor runs, and how a unit is kept off some of them."""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from typing import Any

import ray
from ray._private.state import state as cluster_state
from ray.core.generated import common_pb2
from ray.tune import PlacementGroupFactory

AVOID = "avoid"
"""Key of a trial's config: the names of the nodes that its unit must not come to."""
NODE_DIED = common_pb2.ActorDiedErrorContext.NODE_DIED  # pyright: ignore[reportAttributeAccessIssue]


def nodes() -> dict[str, Mapping[str, float]]:
    """List the resources of each node that is there to stay, by the node's name."""
    leaving = cluster_state.get_draining_nodes() or {}
    return {
        _name(node["NodeManagerAddress"], node["NodeID"]): node["Resources"]
        for node in ray.nodes()
        if node["Alive"] and node["NodeID"] not in leaving
    }


def node_of(actor: str | None) -> str:
    """Name the node of an actor, by the actor's id, also when it is dead; empty where Ray does not tell."""
    try:
        return _node_of(actor)
    except LookupError:
        return ""


def died_with_its_node(actor: str | None) -> bool:
    """Whether Ray's head says that an actor died because its node did."""
    cause = _actor(actor).get("DeathCause")
    return cause is not None and cause.actor_died_error_context.reason == NODE_DIED


def place_for(bundle: Mapping[str, float], config: Mapping[str, Any]) -> PlacementGroupFactory:
    """Ask Ray for a place for one unit, off the nodes that `AVOID` names in the config of its trial.

    Workers are used again for units that ask alike. Workers read this function with the class that they run, so that
    it stands in a module that brings nothing but Ray.
    """
    selector = off(config.get(AVOID, ()))
    if selector is None:
        return PlacementGroupFactory([dict(bundle)])
    return PlacementGroupFactory([dict(bundle)], bundle_label_selector=[selector])


def off(avoided: Collection[str]) -> dict[str, str] | None:
    """Write a label selector of all nodes but those with the names `avoided`; None where none is."""
    ids = ",".join(sorted(name.partition("/")[2] for name in avoided))
    return {"ray.io/node-id": f"!in({ids})"} if ids else None


# Asked for each unit, and most units come to an actor that ran others before.
@functools.lru_cache(maxsize=1024)
def _node_of(actor: str | None) -> str:
    address = _actor(actor).get("Address", {})
    # While Ray looks for a worker it tells the node alone.
    if not address.get("NodeID") or not address.get("IPAddress"):
        raise LookupError(actor)
    return _name(address["IPAddress"], address["NodeID"])


def _actor(actor: str | None) -> Mapping[str, Any]:
    """Read Ray's account of an actor; empty for one that it does not know, and when its head does not answer."""
    try:
        return cluster_state.actor_table(actor) if actor else {}
    except Exception:
        return {}


def _name(address: str, node_id: str) -> str:
    return f"{address}/{node_id}"
