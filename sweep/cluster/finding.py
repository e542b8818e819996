"""What is wrong with a cluster file, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from data.errors import shortened


@dataclass(frozen=True)
class Finding:
    """A thing to change in a cluster file; no field holds a secret. `where` is the path of a key: `setup_commands.2`.

    `quote` is how the command at `where` begins, since nobody counts commands.
    """

    level: Literal["error", "warning"]
    where: str
    found: str
    wanted: str
    quote: str = field(default="", compare=False)


def error(where: str, found: str, wanted: str) -> Finding:
    """Make a finding with which the cluster would not start, not train, lose results, or let others in."""
    return Finding("error", *map(shortened, (where, found, wanted)))


def warning(where: str, found: str, wanted: str) -> Finding:
    """Make a finding that may be meant so, or that only the owner of the file can judge."""
    return Finding("warning", *map(shortened, (where, found, wanted)))
