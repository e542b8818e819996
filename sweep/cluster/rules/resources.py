"""What units need against what machines have."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.cluster.cloud_machines import nearest_type
from sweep.cluster.cluster_file import ClusterFile, NodeType
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.launcher import MODEL_KEYS
from sweep.cluster.rules.schema import PLACEHOLDER
from sweep.cluster.surroundings import Surroundings, UnitNeeds


def resources(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Declared CPUs and GPUs against the clouds' catalogues, and against one unit of a study."""
    for node in file.node_types:
        yield from _unchecked(file, node)
        yield from _against_catalogue(file, node)
    if file.provider in ("aws", "gcp"):
        for node in file.head_types:
            if node.capacity.cpus != 0:
                wanted = "CPU: 0: else units run beside the driver, and stop it when memory runs out"
                yield warning(f"{node.where}.resources.CPU", _amount(node.declared.cpus), wanted)
    if surroundings.unit is not None and file.worker_types:
        yield from _fits(file.worker_types, surroundings.unit)


def _unchecked(file: ClusterFile, node: NodeType) -> Iterator[Finding]:
    """A machine type about whose GPUs nothing is known here: misspelt, or newer than our lists."""
    if node.model is None or node.machine.gpus is not None or PLACEHOLDER.search(node.model):
        return
    where = f"{node.where}.node_config.{MODEL_KEYS[file.provider]}"
    nearest = nearest_type(file.provider, node.model)
    if nearest == node.model:
        found, wanted = (
            "its GPUs are not known here, and could not be checked",
            "resources as the cloud lists them",
        )
    else:
        found = "unknown type, CPU and GPU could not be checked"
        wanted = f"did you mean {nearest}?" if nearest else "a machine type of this cloud"
    yield warning(where, f"{node.model}: {found}", wanted)


def _against_catalogue(file: ClusterFile, node: NodeType) -> Iterator[Finding]:
    for name, declared, there in (
        ("CPU", node.declared.cpus, node.machine.cpus),
        ("GPU", node.declared.gpus, node.machine.gpus),
    ):
        where = f"{node.where}.resources.{name}"
        if there is None:
            continue
        if declared is not None and declared > there:
            yield error(where, f"{declared:g}", f"{there:g}: a {node.model} has no more")
        elif name == "GPU" and declared is not None and declared < there:
            wanted = f"{there:g}: a {node.model} has them, and those that are not declared are paid for and not used"
            yield warning(where, f"{declared:g}", wanted)
        elif name == "GPU" and there and declared is None and file.provider == "gcp":
            yield error(
                where, "not given", f"{there:g}: on GCP Ray starts machines only for what is written here"
            )


def _fits(workers: list[NodeType], unit: UnitNeeds) -> Iterator[Finding]:
    """Whether a unit fits on a worker of one type at least; types about which nothing is known may do."""
    if any(_has_room(node, unit) for node in workers):
        return
    wanted = f"a type with {unit.cpu:g} CPUs and {unit.gpu:g} GPUs, or smaller resources in {unit.source}"
    for node in workers:
        has = f"{_amount(node.capacity.cpus)} CPUs, {_amount(node.capacity.gpus)} GPUs"
        yield error(f"{node.where}.resources", f"{has}: too small for a unit", wanted)


def _has_room(node: NodeType, unit: UnitNeeds) -> bool:
    cpus, gpus = node.capacity.cpus, node.capacity.gpus
    return (cpus is None or unit.cpu <= cpus) and (gpus is None or unit.gpu <= gpus)


def _amount(value: float | None) -> str:
    return "not given" if value is None else f"{value:g}"
