"""What is wrong with a cluster file, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rich.table import Table
from rich.text import Text


@dataclass(frozen=True)
class Finding:
    """One thing to change; no field holds a secret. `where` is the path of a key: `setup_commands.2`."""

    level: Literal["error", "warning"]
    where: str
    found: str
    wanted: str


def error(where: str, found: str, wanted: str) -> Finding:
    """The cluster would not start, not train, lose results, or let others in."""
    return Finding("error", where, found, wanted)


def warning(where: str, found: str, wanted: str) -> Finding:
    """It may be meant so, or only its owner can know."""
    return Finding("warning", where, found, wanted)


def findings_table(findings: Sequence[Finding]) -> Table:
    """A row for each, errors first."""
    table = Table("", "where", "found", "what would be right")
    for finding in sorted(findings, key=lambda finding: finding.level):
        style = "bold red" if finding.level == "error" else "yellow"
        table.add_row(
            Text(finding.level, style=style), Text(finding.where), Text(finding.found), Text(finding.wanted)
        )
    return table
