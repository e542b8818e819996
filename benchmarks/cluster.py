"""How far a sweep grows: what many workers and units cost its driver, and how busy it keeps real workers.

    .venv/bin/python benchmarks/cluster.py driver     10,000 units on 200 simulated workers, everything but Ray
    .venv/bin/python benchmarks/cluster.py trials     units that only report, through a real Ray, as they become many
    .venv/bin/python benchmarks/cluster.py workers    16 processes of a real Ray on this machine, units that sleep

Each exits with 1 when a bar is missed.
"""

from __future__ import annotations

from typing import Annotated

import bench
import torch
import typer

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


@app.command()
def driver(
    units: Annotated[int, typer.Option(min=1000, help="Units of the longest study.")] = 10_000,
    workers: Annotated[int, typer.Option(help="Simulated ones, a unit each.")] = 200,
    epochs: Annotated[int, typer.Option(help="Epochs of a unit that is not stopped.")] = 10,
) -> None:
    """Driver time for a unit and for a report as studies grow, its memory, its journal, and the time to resume."""
    import cluster_driver

    bench.print_machine(torch.device("cpu"))
    raise typer.Exit(bench.verdict(cluster_driver.print_studies(units, workers, epochs)))


@app.command()
def trials(
    units: Annotated[int, typer.Option(min=80, help="Units that take no time.")] = 2400,
    workers: Annotated[int, typer.Option(help="Units at a time.")] = 4,
    reports: Annotated[int, typer.Option(min=1, help="Epochs of a unit.")] = 1,
) -> None:
    """Driver time for a unit with Ray Tune, as it comes to hold many trials."""
    import cluster_trials

    bench.print_machine(torch.device("cpu"))
    raise typer.Exit(bench.verdict(cluster_trials.print_trials(units, workers, reports)))


@app.command()
def workers(
    processes: Annotated[int, typer.Option(help="Workers at a time.")] = 16,
    rounds: Annotated[int, typer.Option(help="Units of 15 s on every worker; shorter ones are more.")] = 2,
) -> None:
    """Time that units of different lengths would take alone, over the time that they took."""
    import cluster_workers

    bench.print_machine(torch.device("cpu"))
    raise typer.Exit(bench.verdict(cluster_workers.print_lengths(processes, rounds)))


if __name__ == "__main__":
    app()
