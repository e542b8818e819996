"""The command line: `respsweep COMMAND`. Each command is a file in `sweep/commands/`."""

from __future__ import annotations

import sys
import warnings

import typer

from data.errors import UserError
from sweep.commands.cluster_check import check
from sweep.commands.cluster_drain import drain
from sweep.commands.cluster_watch import watch
from sweep.commands.data import data
from sweep.commands.doctor import doctor
from sweep.commands.export import export
from sweep.commands.leaderboard import leaderboard
from sweep.commands.run import run
from sweep.commands.simulate import simulate
from sweep.commands.status import status
from sweep.commands.synth import synth
from sweep.commands.train import train
from sweep.commands.ui import ui

app = typer.Typer(
    help="Find, and be able to prove, the best hyperparameters of a lung-sound classifier.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
for command in (run, status, simulate, train, data, synth, leaderboard, export, ui, doctor):
    app.command()(command)
cluster = typer.Typer(help="Clusters: the files that describe them.", no_args_is_help=True)
for command in (check, watch, drain):
    cluster.command()(command)
app.add_typer(cluster, name="cluster")


def main() -> None:
    """Run the command in `sys.argv`.

    What a user can mend becomes one line on stderr and exit status 1; every other exception keeps its traceback.
    """
    warnings.showwarning = _show_warning
    try:
        app()
    except OSError as error:
        if error.filename is None:
            raise
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(1) from None
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(1) from None


def _show_warning(message: Warning | str, category: type[Warning], *_: object) -> None:
    """Print a warning of ours in one line; libraries warn in other categories, and are not for users."""
    if category is UserWarning:
        print(f"warning: {message}", file=sys.stderr)
