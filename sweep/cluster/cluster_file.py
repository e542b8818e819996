"""A cluster file as the rules see it, whichever program it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from sweep.cluster import shell


@dataclass(frozen=True)
class Command:
    """Shell text of a cluster file, at the key path `where`, and the machines that it runs on."""

    where: str
    text: str
    on_head: bool
    on_workers: bool


@dataclass(frozen=True)
class Capacity:
    """CPUs and GPUs that a machine offers to Ray; None: unknown before the machine runs."""

    cpus: float | None = None
    gpus: float | None = None


@dataclass(frozen=True)
class NodeType:
    """A kind of machine of a cluster: `declared` is what its file says, `machine` what the cloud's catalogue says."""

    where: str
    name: str
    is_head: bool
    is_spot: bool
    declared: Capacity
    machine: Capacity = Capacity()
    model: str | None = None

    @property
    def capacity(self) -> Capacity:
        """What Ray will count: the declared CPUs and GPUs, else those that it finds on the machine."""
        cpus = self.machine.cpus if self.declared.cpus is None else self.declared.cpus
        gpus = self.machine.gpus if self.declared.gpus is None else self.declared.gpus
        return Capacity(cpus, gpus)


@dataclass(frozen=True)
class ClusterFile:
    """A cluster that a file describes, for `ray up` (kind launcher), `kubectl apply` (kuberay) or `sbatch` (slurm).

    `provider` is the launcher's word for a cloud, or kubernetes, or slurm. `content` is the mapping that makes the
    cluster, at the prefix `root` of key paths; `documents` is all that the file holds. `head_mounts` and
    `worker_mounts` are folders on shared storage that fields of the file, rather than commands, mount on the head and
    on all workers.
    """

    path: Path
    kind: Literal["launcher", "kuberay", "slurm"]
    provider: str
    documents: Sequence[Mapping[str, Any]]
    content: Mapping[str, Any]
    root: str
    commands: Sequence[Command]
    node_types: Sequence[NodeType]
    head_mounts: frozenset[str] = frozenset()
    worker_mounts: frozenset[str] = frozenset()

    @property
    def head_types(self) -> list[NodeType]:
        return [node for node in self.node_types if node.is_head]

    @property
    def worker_types(self) -> list[NodeType]:
        return [node for node in self.node_types if not node.is_head]

    @cached_property
    def calls(self) -> list[tuple[Command, shell.Call]]:
        """List every call of a program, with the command that holds the call; the commands are read once."""
        return [(command, call) for command in self.commands for call in shell.calls(command.text)]

    def calls_of(self, program: str, *arguments: str) -> list[tuple[Command, shell.Call]]:
        """List the calls that begin with `program` and `arguments`, each with the command that holds it."""
        return [(command, call) for command, call in self.calls if call.is_call_of(program, *arguments)]


def mapping(value: Any) -> dict[str, Any]:
    """Return `value` if it is a mapping, else an empty one: Ray's validation finds what is of the wrong type."""
    return {str(key): content for key, content in value.items()} if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return `value` if it is a list, else an empty list."""
    return value if isinstance(value, list) else []


def leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value that is neither list nor mapping, with its key path."""
    if isinstance(value, dict):
        for key, content in value.items():
            yield from leaves(content, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for position, content in enumerate(value):
            yield from leaves(content, f"{where}.{position}" if where else str(position))
    else:
        yield where, value
