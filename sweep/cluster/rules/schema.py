"""Fields that `ray up` refuses, or takes for something else: Ray's own schema, and keys of older versions."""

from __future__ import annotations

import difflib
import importlib.util
import json
import re
from collections.abc import Collection, Iterator
from copy import deepcopy
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, ValidationError

from sweep.cluster.cluster_file import ClusterFile, leaves, mapping
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.surroundings import Surroundings

OLD_KEYS = {
    "head_node": "a type in available_node_types, named by head_node_type",
    "worker_nodes": "a type in available_node_types",
    "min_workers": "min_workers of each type in available_node_types",
    "initial_workers": "min_workers of each type in available_node_types",
    "default_worker_node_type": "nothing: Ray chooses among available_node_types",
    "autoscaling_mode": "upscaling_speed",
    "target_utilization_fraction": "upscaling_speed and idle_timeout_minutes",
    "no_restart": "nothing: it is an option of ray up",
}
"""Keys at the top of the file that Ray 2 dropped, and what does their work."""
NEVER_KEYS = {"ssh_password": "ssh_private_key: Ray logs in by key only; ssh-copy-id puts yours on a machine"}
"""Keys that no version of Ray had, and what does their work."""
PROVIDER_KEYS = {
    "aws": ("aws_credentials", "key_pair"),
    "gcp": (),
    "local": ("coordinator_address", "external_head_ip"),
}
"""What Ray 2.60 reads under `provider` and its schema, which lets any key pass there, does not list."""
LISTS_TO_SHOW = "provider.worker_ips", "rsync_exclude", "rsync_filter"
"""Where text in place of a list is shown as one; elsewhere it may hold a secret."""
PLACEHOLDER = re.compile(r"[\w-]*FILL_IN\w*")
TYPES = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "dict": "object",
    "list": "array",
    "bool": "boolean",
}


def old_keys(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Keys that Ray 2 no longer has."""
    for key in sorted(file.content.keys() & OLD_KEYS.keys()):
        # For `provider: local` Ray still moves it to the type that it makes of the hosts.
        if key != "min_workers" or file.provider != "local":
            yield error(key, "a key that Ray 2 dropped", OLD_KEYS[key])


def schema(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """Ray's schema, and what Ray checks beyond it before it starts anything."""
    content = {key: value for key, value in deepcopy(dict(file.content)).items() if key not in OLD_KEYS}
    node_types = mapping(content.get("available_node_types"))
    if file.provider == "aws":
        # Ray asks EC2 for resources that are not given.
        for node in node_types.values():
            if isinstance(node, dict):
                node.setdefault("resources", {})
    for problem in Draft7Validator(ray_schema()).iter_errors(content):
        yield from _describe(problem)
    if file.provider in PROVIDER_KEYS:
        known = {*ray_schema()["properties"]["provider"]["properties"], *PROVIDER_KEYS[file.provider]}
        for key in sorted(mapping(content.get("provider")).keys() - known):
            # Ray passes over it without a word, so that one which looks like no other may be somebody else's.
            level = error if _nearest(key, known) else warning
            yield level(f"provider.{key}", "no such field", _instead(key, known))
    if file.provider == "local":
        for key in ("head_ip", "worker_ips"):
            if key not in mapping(content.get("provider")):
                yield error(f"provider.{key}", "not given", "the addresses of your machines")
        if node_types:
            yield error("available_node_types", "given", "nothing: Ray makes one type of the hosts")
        return
    if not node_types:
        yield error("available_node_types", "not given", "one type for the head and one or more for workers")
    elif (head := content.get("head_node_type")) not in node_types:
        yield error("head_node_type", repr(head), f"one of {', '.join(node_types)}")
    asked = sum(
        minimum
        for node in node_types.values()
        if isinstance(minimum := mapping(node).get("min_workers", 0), int)
    )
    limit = content.get("max_workers", 2)
    if isinstance(limit, int) and asked > limit:
        yield error("max_workers", str(limit), f"at least the sum of all min_workers, {asked}")


def placeholders(file: ClusterFile, _: Surroundings) -> Iterator[Finding]:
    """What only its owner can know; a value used in several places (YAML's &name and *name) counts once."""
    places: dict[str, str] = {}
    for where, value in (leaf for document in file.documents for leaf in leaves(document)):
        if isinstance(value, str) and (found := PLACEHOLDER.search(value)):
            places.setdefault(found[0], where)
    for value, where in places.items():
        yield error(where, value, "your own value: a comment in the file says which")


@cache
def ray_schema() -> dict[str, Any]:
    """The JSON schema that comes with Ray, read without importing Ray, which takes seconds."""
    found = importlib.util.find_spec("ray")
    assert found is not None
    assert found.submodule_search_locations is not None
    path = Path(found.submodule_search_locations[0]) / "autoscaler" / "ray-schema.json"
    return json.loads(path.read_text(encoding="utf-8"))


def _describe(problem: ValidationError) -> Iterator[Finding]:
    place = ".".join(str(part) for part in problem.absolute_path)
    prefix = f"{place}." if place else ""
    rule, schema = str(problem.validator), mapping(problem.schema)
    if rule == "additionalProperties":
        known = mapping(schema.get("properties"))
        for key in sorted(mapping(problem.instance).keys() - known.keys()):
            yield error(prefix + key, "no such field", _instead(key, known))
    elif rule == "required":
        for key in [key for key in schema["required"] if key not in mapping(problem.instance)]:
            yield error(prefix + key, "not given", "Ray requires it")
    elif rule == "type":
        # The value itself may be a secret in the wrong place.
        read = type(problem.instance).__name__
        yield error(place, TYPES.get(read, read), _as_list(place, problem) or f"{problem.validator_value}")
    else:
        yield error(place, "not what Ray's schema allows", f"{rule}: {problem.validator_value}")


def _instead(key: str, known: Collection[str]) -> str:
    nearest = _nearest(key, known)
    asked = f"did you mean {nearest}?" if nearest else f"one of {', '.join(sorted(known))}"
    return NEVER_KEYS.get(key, asked)


def _nearest(key: str, known: Collection[str]) -> str | None:
    return next(iter(difflib.get_close_matches(key.lower(), sorted(known), n=1)), None)


def _as_list(place: str, problem: ValidationError) -> str | None:
    """How text that should be a list is written as one, where it may be shown."""
    if problem.validator_value != "array" or not isinstance(problem.instance, str):
        return None
    return (
        f"[{problem.instance.strip('[] ')}]" if place in LISTS_TO_SHOW else "a list: a line with - for each"
    )
