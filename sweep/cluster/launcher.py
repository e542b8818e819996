"""A cluster file for Ray's own launcher, as `ray up` reads it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sweep.cluster.cloud_machines import aws_machine, gcp_machine
from sweep.cluster.cluster_file import Capacity, ClusterFile, Command, NodeType, items, mapping

COMMANDS = {
    "initialization_commands": (True, True),
    "setup_commands": (True, True),
    "head_setup_commands": (True, False),
    "worker_setup_commands": (False, True),
    "head_start_ray_commands": (True, False),
    "worker_start_ray_commands": (False, True),
}
"""The lists of commands, and whether they run on the head and on workers."""
MODEL_KEYS = {"aws": "InstanceType", "gcp": "machineType"}
"""The field in which node_config names the machine type, by provider."""


def launcher_file(path: Path, content: dict[str, Any]) -> ClusterFile:
    """Read a launcher file; parts of the wrong type are left out."""
    provider = str(mapping(content.get("provider")).get("type", ""))
    return ClusterFile(
        path=path,
        kind="launcher",
        provider=provider,
        documents=[content],
        content=content,
        root="",
        commands=list(_commands(content)),
        node_types=list(_node_types(content, provider)),
    )


def _commands(content: dict[str, Any]) -> Iterator[Command]:
    lists = [(key, content.get(key), on_head, on_workers) for key, (on_head, on_workers) in COMMANDS.items()]
    for name, node in mapping(content.get("available_node_types")).items():
        is_head = name == content.get("head_node_type")
        for key in ("initialization_commands", "worker_setup_commands"):
            place = f"available_node_types.{name}.{key}"
            lists.append((place, mapping(node).get(key), is_head, not is_head))
    for where, texts, on_head, on_workers in lists:
        for position, text in enumerate(items(texts)):
            if isinstance(text, str):
                yield Command(f"{where}.{position}", text, on_head, on_workers)


def _node_types(content: dict[str, Any], provider: str) -> Iterator[NodeType]:
    if provider == "local":
        # Ray makes one type of all hosts, and counts on each what it finds there.
        yield NodeType("provider.head_ip", "head", True, False, Capacity())
        yield NodeType("provider.worker_ips", "worker", False, False, Capacity())
        return
    for name, node in mapping(content.get("available_node_types")).items():
        node_config, resources = (mapping(mapping(node).get(key)) for key in ("node_config", "resources"))
        cpus, gpus = (
            amount if isinstance(amount := resources.get(key), int) else None for key in ("CPU", "GPU")
        )
        # Compute Engine takes a URL of the machine type too.
        model = str(node_config.get(MODEL_KEYS.get(provider, ""), "")).rpartition("/")[2]
        machines = {"aws": aws_machine(model), "gcp": gcp_machine(model, node_config)}
        yield NodeType(
            where=f"available_node_types.{name}",
            name=name,
            is_head=name == content.get("head_node_type"),
            is_spot=_is_spot(node_config),
            declared=Capacity(cpus, gpus),
            machine=machines.get(provider, Capacity()),
            model=model or None,
        )


def _is_spot(node_config: dict[str, Any]) -> bool:
    scheduling = node_config.get("scheduling")
    # Ray's own examples give Google's object as a list of objects.
    choices = [mapping(entry) for entry in (scheduling if isinstance(scheduling, list) else [scheduling])]
    return mapping(node_config.get("InstanceMarketOptions")).get("MarketType") == "spot" or any(
        choice.get("preemptible") is True or choice.get("provisioningModel") == "SPOT" for choice in choices
    )
