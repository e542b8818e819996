"""What units need, held against what machines have."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.cluster.cluster_file import ClusterFile, NodeType
from sweep.cluster.finding import Finding, error, warning
from sweep.cluster.launcher import MODEL_KEYS
from sweep.cluster.rules.placeholders import PLACEHOLDER
from sweep.cluster.surroundings import Surroundings, UnitNeeds


def resources(file: ClusterFile, surroundings: Surroundings) -> Iterator[Finding]:
    """Hold declared CPUs and GPUs against the clouds' catalogues, and against one unit of a study."""
    if not file.node_types:
        wanted = (
            "one type for the head and one or more for workers: else Ray starts machines of its own choice"
        )
        yield error("available_node_types", "not given", wanted)
    for node in file.node_types:
        if node.model and node.machine.gpus is None and not PLACEHOLDER.search(node.model):
            where = f"{node.where}.node_config.{MODEL_KEYS[file.provider]}"
            wanted = "a type of this cloud; its CPUs and GPUs could not be checked"
            yield warning(where, f"{node.model}: not known here", wanted)
        yield from _against_catalogue(file, node)
    if file.provider in ("aws", "gcp"):
        for node in file.head_types:
            if node.capacity.cpus != 0:
                wanted = "CPU: 0: else units run beside the driver, and stop it when memory runs out"
                yield warning(f"{node.where}.resources.CPU", _amount(node.declared.cpus), wanted)
    if surroundings.unit is not None and file.worker_types:
        yield from _fits(file.worker_types, surroundings.unit)


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
            wanted = f"{there:g}: on GCP Ray starts machines only for what is written here"
            yield error(where, "not given", wanted)


def _fits(workers: list[NodeType], unit: UnitNeeds) -> Iterator[Finding]:
    """Whether a unit fits on a worker of some type; a type about which nothing is known may do."""
    for node in workers:
        there = [(node.capacity.cpus, unit.cpu), (node.capacity.gpus, unit.gpu)]
        if all(amount is None or needed <= amount for amount, needed in there):
            return
    wanted = f"a type with {unit.cpu:g} CPUs and {unit.gpu:g} GPUs, or smaller resources in {unit.source}"
    for node in workers:
        has = f"{_amount(node.capacity.cpus)} CPUs, {_amount(node.capacity.gpus)} GPUs"
        yield error(f"{node.where}.resources", f"{has}: too small for a unit", wanted)


def _amount(value: float | None) -> str:
    return "not given" if value is None else f"{value:g}"
