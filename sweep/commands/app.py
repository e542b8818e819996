"""All commands, as one typer app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from sweep.commands.bands import bands
from sweep.commands.check import check_settings
from sweep.commands.cluster_check import check
from sweep.commands.cluster_drain import drain
from sweep.commands.cluster_slurm import slurm
from sweep.commands.cluster_status import cluster_status
from sweep.commands.cluster_stop import stop
from sweep.commands.cluster_watch import watch
from sweep.commands.cluster_worker import worker
from sweep.commands.compare import compare
from sweep.commands.console import say
from sweep.commands.data import data
from sweep.commands.delete import delete
from sweep.commands.doctor import doctor
from sweep.commands.examples import example
from sweep.commands.explain import explain
from sweep.commands.export import export
from sweep.commands.fetch import fetch
from sweep.commands.finish import finish
from sweep.commands.leaderboard import leaderboard
from sweep.commands.leak import leak
from sweep.commands.ledger import ledger
from sweep.commands.list_studies import list_studies
from sweep.commands.note import note
from sweep.commands.plan import plan
from sweep.commands.predict import predict
from sweep.commands.rename import rename
from sweep.commands.report import report
from sweep.commands.retry import retry
from sweep.commands.run import run
from sweep.commands.schema import schema
from sweep.commands.show import show
from sweep.commands.simulate import simulate
from sweep.commands.spectral import spectral
from sweep.commands.status import status
from sweep.commands.synth import synth
from sweep.commands.test_part import read_test
from sweep.commands.train import train
from sweep.commands.ui import ui
from sweep.commands.verify import verify
from sweep.commands.watch import watch as watch_study

app = typer.Typer(
    help="Find, and be able to prove, the best hyperparameters of a lung-sound classifier.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cluster = typer.Typer(
    help="Clusters: their files, SLURM jobs, and machines that come and go.", no_args_is_help=True
)


def _show_version(asked: bool) -> None:
    if asked:
        from sweep.driver.versions import described

        say(described())
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Say which respsweep this is, and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None: ...


def _named(command: Callable[..., None], group: str = "") -> str:
    """Name a command as people type it, with its group."""
    return f"{group}{NAMES.get(command, command.__name__)}"


NAMES = {
    list_studies: "list",
    read_test: "test",
    check_settings: "check",
    watch_study: "watch",
    cluster_status: "status",
}
"""Commands that are called otherwise than their functions."""
for command in (
    *(plan, check_settings, schema, fetch),
    *(run, watch_study, status, retry, leaderboard, report, export, ui),
    *(list_studies, show, compare, note, rename, delete),
    *(finish, read_test, ledger, leak, verify, predict, explain, spectral),
    *(simulate, train, bands, data, synth, doctor),
):
    app.command(_named(command), epilog=example(_named(command)))(command)
for command in (check, slurm, worker, cluster_status, stop, watch, drain):
    cluster.command(_named(command), epilog=example(_named(command, "cluster ")))(command)
app.add_typer(cluster, name="cluster")
