"""`respsweep cluster check`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table
from rich.text import Text

from sweep.commands.console import console, say

if TYPE_CHECKING:
    from sweep.cluster.finding import Finding


def check(
    file: Annotated[
        Path,
        typer.Argument(
            help="For ray up (cluster.yaml), KubeRay's RayJob or RayCluster, or a script for sbatch."
        ),
    ],
    space: Annotated[
        Path | None, typer.Option("--space", help="Study file: do its units fit on a worker?")
    ] = None,
) -> None:
    """Say what is wrong with a cluster file before machines are paid for; exit status 1 if there is an error."""
    from sweep.cluster.check import check_cluster_file
    from sweep.cluster.surroundings import Surroundings, UnitNeeds

    unit = None
    if space is not None:
        from sweep.config.study_config import read_study

        needs = read_study(space).resources
        unit = UnitNeeds(str(space), needs.cpu, needs.gpu)
    report = check_cluster_file(file, Surroundings.here(unit))
    if report.findings:
        console().print(findings_table(report.findings))
    say(f"{file}: {report.summary}")
    if report.errors:
        raise typer.Exit(1)


def findings_table(findings: Sequence[Finding]) -> Table:
    """Make a table with a row for each finding, errors first."""
    table = Table("", Column("where", overflow="fold"), "found", "what would be right")
    for finding in sorted(findings, key=lambda finding: finding.level):
        style = "bold red" if finding.level == "error" else "yellow"
        where = f"{finding.where.rpartition('.')[0]}: {finding.quote}" if finding.quote else finding.where
        table.add_row(Text(finding.level, style=style), where, finding.found, finding.wanted)
    return table
