"""A cluster file as the rules see it, whichever program it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from sweep.cluster.shell import Call, calls


@dataclass(frozen=True)
class Command:
    """Shell text, and the machines that it runs on."""

    where: str
    text: str
    on_head: bool
    on_workers: bool


@dataclass(frozen=True)
class Capacity:
    """What one machine offers to Ray; None: nothing says so before it runs."""

    cpus: float | None = None
    gpus: float | None = None


@dataclass(frozen=True)
class NodeType:
    """One kind of machine of a cluster. `machine` is what its cloud's catalogue says, `declared` what the file says."""

    where: str
    name: str
    is_head: bool
    is_spot: bool
    declared: Capacity
    machine: Capacity = Capacity()
    model: str | None = None

    @property
    def capacity(self) -> Capacity:
        """What Ray will count: what is declared, else what it finds on the machine."""
        cpus = self.machine.cpus if self.declared.cpus is None else self.declared.cpus
        gpus = self.machine.gpus if self.declared.gpus is None else self.declared.gpus
        return Capacity(cpus, gpus)


@dataclass(frozen=True)
class ClusterFile:
    """`kind` launcher: for `ray up`, `provider` is its type; kuberay: for `kubectl apply`.

    `content` is the mapping that makes the cluster, reached by `root` (a prefix of key paths); `documents` is all
    that the file holds. `mounts` are folders on storage that all machines of a role share, where a field says so.
    """

    path: Path
    kind: Literal["launcher", "kuberay"]
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

    @property
    def calls(self) -> list[tuple[Command, Call]]:
        """Every call of a program, with the command that holds it."""
        return [(command, call) for command in self.commands for call in calls(command.text)]

    def calls_of(self, program: str, *arguments: str) -> list[tuple[Command, Call]]:
        """The calls that begin with `program` and `arguments`, with the command that holds each."""
        return [(command, call) for command, call in self.calls if call.is_call_of(program, *arguments)]


def mapping(value: Any) -> dict[str, Any]:
    """`value` if it is a mapping, else an empty one: what is of the wrong type has its finding already."""
    return {str(key): content for key, content in value.items()} if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """`value` if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def leaves(value: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Every value that is neither list nor mapping, with its key path."""
    if isinstance(value, dict):
        for key, content in value.items():
            yield from leaves(content, f"{where}.{key}" if where else str(key))
    elif isinstance(value, list):
        for position, content in enumerate(value):
            yield from leaves(content, f"{where}.{position}" if where else str(position))
    else:
        yield where, value
