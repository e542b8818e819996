"""What is wrong with a cluster file, and what would be right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from rich.table import Column, Table
from rich.text import Text


@dataclass(frozen=True)
class Finding:
    """One thing to change; no field holds a secret. `where` is the path of a key: `setup_commands.2`.

    `quote`: how the command at `where` begins, since nobody counts commands.
    """

    level: Literal["error", "warning"]
    where: str
    found: str
    wanted: str
    quote: str = field(default="", compare=False)


def error(where: str, found: str, wanted: str) -> Finding:
    """The cluster would not start, not train, lose results, or let others in."""
    return Finding("error", where, found, wanted)


def warning(where: str, found: str, wanted: str) -> Finding:
    """It may be meant so, or only its owner can know."""
    return Finding("warning", where, found, wanted)


def findings_table(findings: Sequence[Finding]) -> Table:
    """A row for each, errors first."""
    table = Table("", Column("where", overflow="fold"), "found", "what would be right")
    for finding in sorted(findings, key=lambda finding: finding.level):
        style = "bold red" if finding.level == "error" else "yellow"
        where = f"{finding.where.rpartition('.')[0]}: {finding.quote}" if finding.quote else finding.where
        table.add_row(
            Text(finding.level, style=style), Text(where), Text(finding.found), Text(finding.wanted)
        )
    return table
