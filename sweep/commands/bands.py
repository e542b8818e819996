"""`respsweep bands`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sweep.commands.console import console, say, say_aside
from sweep.commands.options import STUDIES, DataOption, StudiesOption, TaskOption, study_names

if TYPE_CHECKING:
    from rich.progress import Progress

Method = Literal["grad_cam", "integrated_gradients", "attention_rollout"]
TOLD_S = 30.0
"""Seconds after which, where no bar is drawn, another line says how far a network is with the same thing."""


def bands(
    name: Annotated[
        str,
        typer.Argument(
            help="A study, whose best configuration counts, or a recipe file.", autocompletion=study_names
        ),
    ],
    data: DataOption = None,
    output: Annotated[Path, typer.Option(help="The ranking file to write, as JSON.")] = Path("ranking.json"),
    rounds: Annotated[
        int | None,
        typer.Option(min=0, help="Groups to remove at most; 0: rank once. Default: until scores fall."),
    ] = None,
    folds: Annotated[
        int | None, typer.Option(min=2, help="Folds of patients; default: as many as the recipe has.")
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(min=1, help="Epochs of each network; default: the recipe's.")
    ] = None,
    method: Annotated[
        Method | None,
        typer.Option(help="Default: grad_cam for cnn_tsa, integrated_gradients for all others."),
    ] = None,
    penalty: Annotated[
        float | None,
        typer.Option(
            min=0,
            help="Lambda: deviations over folds and classes to take off. Default: 0.5; 1 of two classes.",
        ),
    ] = None,
    backward: Annotated[
        bool, typer.Option("--backward", help="Try every group in every round instead: far more networks.")
    ] = False,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    task: TaskOption = None,
    studies: StudiesOption = STUDIES,
) -> None:
    """Rank mel bands by what networks' answers to held-out patients rest on, and try how few will do.

    What finished networks came to is kept in OUTPUT.networks until the ranking is written: broken off, the same command
    goes on from there.
    """
    from rich.progress import Progress

    from data.atomic import write_whole
    from data.bands import written_ranking
    from data.settings import ConfigError
    from sweep.commands.output_places import check_output_file
    from sweep.evaluation.band_selection import (
        BandSelection,
        changed_recipe,
        rank_bands,
        recipe_and_recordings,
    )
    from sweep.evaluation.kept_networks import KeptNetworks
    from sweep.report.band_table import ranking_parts
    from sweep.report.plain_console import PlainConsole
    from sweep.worker.prepared_data import DataPreparation

    check_output_file(output)
    kept = KeptNetworks(output.with_name(f"{output.name}.networks"))
    if backward and method is not None:
        raise ConfigError(f"--method: --backward attributes nothing, so leave it out, got {method}")
    found = recipe_and_recordings(name, studies, data)
    recipe = changed_recipe(found.recipe, folds, epochs)
    preparation = DataPreparation(found.recordings, task=task or found.task)
    chosen = BandSelection(method, penalty, rounds, backward, seed)
    aside = PlainConsole(stderr=True)
    with Progress(console=aside, transient=True, disable=not aside.is_terminal) as bar:
        at_work = _Work(bar)
        try:
            ranking = rank_bands(
                *(recipe, preparation, chosen, lambda line: say_aside(line, aside)),
                at_work=at_work,
                kept=kept,
            )
        except KeyboardInterrupt:
            say_aside(kept.left(), aside)
            raise
    write_whole(output, written_ranking(ranking))
    kept.remove()
    console().print(*ranking_parts(ranking), sep="\n", highlight=False)
    say(f"written to {output}: features.bands: {{ranking: {output}, keep: {ranking.best_keep}}}")


class _Work:
    """Shows what a network is at: on a terminal a bar, elsewhere a line, when that is new and every `TOLD_S`."""

    def __init__(self, bar: Progress, timer: Callable[[], float] = time.monotonic) -> None:
        """`timer`: seconds that never jump."""
        self._bar = bar
        self._task = bar.add_task("", total=None)
        self._what = ""
        self._timer = timer
        self._tell_at = timer()

    def __call__(self, what: str, done: int, total: int) -> None:
        another, now = what != self._what, self._timer()
        if self._bar.disable and (another or now >= self._tell_at):
            say_aside(f"{what}: {total}" if another else f"{what}: {done} of {total}")
            self._tell_at = now + TOLD_S
        self._what = what
        self._bar.update(self._task, description=what, completed=done, total=total)
