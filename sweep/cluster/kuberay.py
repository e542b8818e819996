"""A cluster file for KubeRay on Kubernetes: a RayJob or a RayCluster, with what is applied beside it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweep.cluster.cluster_file import Capacity, ClusterFile, Command, NodeType, items, mapping
from sweep.cluster.shell import SHELLS

SPOT = re.compile(r"spot|preemptible", re.IGNORECASE)


def is_kuberay(document: Any) -> bool:
    return str(mapping(document).get("apiVersion", "")).startswith("ray.io/")


def kuberay_file(path: Path, documents: Sequence[dict[str, Any]]) -> ClusterFile:
    """Read the first RayJob or RayCluster among `documents`; parts of the wrong type are left out."""
    resource = next(document for document in documents if is_kuberay(document))
    spec, cluster, root = mapping(resource.get("spec")), mapping(resource.get("spec")), "spec."
    if resource.get("kind") == "RayJob":
        cluster, root = mapping(spec.get("rayClusterSpec")), "spec.rayClusterSpec."
    pods = groups(root, cluster)
    commands = [command for where, group, is_head in pods for command in _commands(where, group, is_head)]
    if isinstance(entrypoint := spec.get("entrypoint"), str):
        commands.append(Command("spec.entrypoint", entrypoint, True, False))
    mounted = [_shared_mounts(group) for _, group, is_head in pods if not is_head]
    return ClusterFile(
        path=path,
        kind="kuberay",
        provider="kubernetes",
        documents=documents,
        content=cluster,
        root=root,
        commands=commands,
        node_types=[_node_type(where, group, is_head) for where, group, is_head in pods],
        head_mounts=_shared_mounts(pods[0][1]),
        worker_mounts=frozenset.intersection(*mounted) if mounted else frozenset(),
    )


def groups(root: str, cluster: Mapping[str, Any]) -> list[tuple[str, dict[str, Any], bool]]:
    """Yield the groups of pods in a RayCluster's spec, the head's first: key path, content, whether it is the head's."""
    workers = [mapping(group) for group in items(cluster.get("workerGroupSpecs"))]
    return [
        (f"{root}headGroupSpec", mapping(cluster.get("headGroupSpec")), True),
        *((f"{root}workerGroupSpecs.{number}", group, False) for number, group in enumerate(workers)),
    ]


def pod_spec(group: dict[str, Any]) -> dict[str, Any]:
    return mapping(mapping(group.get("template")).get("spec"))


def containers(group: dict[str, Any]) -> list[dict[str, Any]]:
    """List the containers of a group's pods; the first container runs Ray."""
    return [mapping(container) for container in items(pod_spec(group).get("containers"))]


def _commands(where: str, group: dict[str, Any], is_head: bool) -> Iterator[Command]:
    for number, container in enumerate(containers(group)):
        words = [str(word) for key in ("command", "args") for word in items(container.get(key))]
        if not words:
            continue
        place = f"{where}.template.spec.containers.{number}.{'command' if 'command' in container else 'args'}"
        # `bash -c TEXT`: the text itself, which is easier to read in a finding too.
        is_script = len(words) == 3 and words[0].rpartition("/")[2] in SHELLS and words[1].endswith("c")
        yield Command(place, words[2] if is_script else shlex.join(words), is_head, not is_head)


def _node_type(where: str, group: dict[str, Any], is_head: bool) -> NodeType:
    declared, started = mapping(group.get("resources")), mapping(group.get("rayStartParams"))
    ray = next(iter(containers(group)), {})
    limits = mapping(mapping(ray.get("resources")).get("limits"))
    requests = mapping(mapping(ray.get("resources")).get("requests"))
    gpu_limits = [value for key, value in limits.items() if key.endswith("gpu")]
    cpus = [declared.get("CPU"), started.get("num-cpus"), limits.get("cpu"), requests.get("cpu")]
    gpus = [declared.get("GPU"), started.get("num-gpus"), *gpu_limits, 0]
    return NodeType(
        where=where,
        name="head" if is_head else str(group.get("groupName", "")),
        is_head=is_head,
        is_spot=_is_spot(pod_spec(group)),
        declared=Capacity(
            _quantity(next((value for value in cpus if value is not None), None)),
            _quantity(next(value for value in gpus if value is not None)),
        ),
    )


def _quantity(value: Any) -> float | None:
    """Turn a Kubernetes quantity of CPUs or GPUs (`8`, "500m") into a number."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(m?)", str(value))
    return float(found[1]) / (1000 if found[2] else 1) if found else None


def _is_spot(spec: dict[str, Any]) -> bool:
    selected = [f"{key}={value}" for key, value in mapping(spec.get("nodeSelector")).items()]
    tolerated = [mapping(toleration) for toleration in items(spec.get("tolerations"))]
    selected += [f"{toleration.get('key')}={toleration.get('value')}" for toleration in tolerated]
    return any(SPOT.search(text) for text in selected)


def _shared_mounts(group: dict[str, Any]) -> frozenset[str]:
    """List where the Ray container mounts volumes that outlive its pod."""
    shared = {
        str(mapping(volume).get("name"))
        for volume in items(pod_spec(group).get("volumes"))
        if {"persistentVolumeClaim", "nfs", "csi"} & mapping(volume).keys()
    }
    ray = next(iter(containers(group)), {})
    mounts = [mapping(mount) for mount in items(ray.get("volumeMounts"))]
    return frozenset(str(mount.get("mountPath")) for mount in mounts if str(mount.get("name")) in shared)
