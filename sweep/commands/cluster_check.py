"""`respsweep cluster check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import console, say


def check(
    file: Annotated[
        Path, typer.Argument(help="For ray up (cluster.yaml), or KubeRay's RayJob or RayCluster.")
    ],
    space: Annotated[
        Path | None, typer.Option("--space", help="Study file: do its units fit on a worker?")
    ] = None,
) -> None:
    """Say what is wrong with a cluster file before machines are paid for; exit status 1 if there is an error."""
    from sweep.cluster.check import check_cluster_file
    from sweep.cluster.surroundings import Surroundings, UnitNeeds
    from sweep.report.cluster_findings import findings_table

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
