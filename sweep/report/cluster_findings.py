"""Findings about a cluster file as a table."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Column, Table
from rich.text import Text

from sweep.cluster.finding import Finding


def findings_table(findings: Sequence[Finding]) -> Table:
    """Make a table with a row for each finding, errors first."""
    table = Table("", Column("where", overflow="fold"), "found", "what would be right")
    for finding in sorted(findings, key=lambda finding: finding.level):
        style = "bold red" if finding.level == "error" else "yellow"
        where = f"{finding.where.rpartition('.')[0]}: {finding.quote}" if finding.quote else finding.where
        table.add_row(
            Text(finding.level, style=style), Text(where), Text(finding.found), Text(finding.wanted)
        )
    return table
