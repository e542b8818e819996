"""`respsweep train`."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from sweep.commands.console import say, say_aside, show_in
from sweep.commands.options import DATA_HELP, FormatOption, TaskOption


def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe file, or an exported best.yaml.")],
    data: Annotated[Path, typer.Option("--data", help=DATA_HELP)],
    task: TaskOption = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 1,
    checkpoint: Annotated[
        Path | None,
        typer.Option(help="Save the run here, and go on from what is there; Ctrl-C and SIGTERM save it too."),
    ] = None,
    checkpoint_minutes: Annotated[
        float, typer.Option(min=0, help="Minutes between two saves; 0: after every epoch.")
    ] = 0.0,
    cuda_graphs: Annotated[
        bool, typer.Option("--cuda-graphs", help="Replay steps from one capture, where a GPU can.")
    ] = False,
    form: FormatOption = "table",
) -> None:
    """Train one recipe with one seed; print its confusion matrix and score on held-out patients.

    Exit status 75 of a run that was stopped and is saved.
    """
    from model.training.epoch_metrics import select_epoch
    from model.training.fit import fit
    from model.training.prediction import try_own_network
    from model.training.recipe import exported_objective, read_recipe
    from sweep.driver.signals import stopping_on_signals
    from sweep.report.confusion_table import confusion_table, epoch_row
    from sweep.worker.local_data import load_examples
    from sweep.worker.prepared_data import DataPreparation

    settings = read_recipe(recipe)
    preparation = DataPreparation(data, task=task)
    try_own_network(settings, preparation.task)
    prepared = preparation.prepare(settings)
    training, validation = load_examples(prepared, settings.folds.fold)
    aside = say if form == "table" else say_aside
    aside(f"{len(training)} training and {len(validation)} validation cycles")
    stopped = threading.Event()

    def stop() -> bool:
        if stopped.is_set():
            return False
        stopped.set()
        say_aside("stopping: the run is saved before its next batch; once more stops at once")
        return True

    history = []
    epochs = fit(
        settings,
        seed,
        training,
        validation,
        task=preparation.task,
        checkpoint=checkpoint,
        checkpoint_minutes=checkpoint_minutes,
        data=prepared.identity,
        pause=None if checkpoint is None else stopped.is_set,
        cuda_graphs=cuda_graphs,
    )
    with nullcontext() if checkpoint is None else stopping_on_signals(stop):
        for metrics in epochs:
            history.append(metrics)
            aside(
                f"epoch {metrics.epoch}/{settings.epochs}  loss {metrics.train_loss:.4f}  score {metrics.score:.3f}  "
                f"{metrics.seconds:.1f} s"
            )
    if (sharpness := history[-1].sharpness) is not None:
        aside(f"sharpness of the last weights {sharpness:.4g} nats, at radius {settings.sharpness_rho:g}")
    chosen = select_epoch(history, settings, exported_objective(recipe))
    rows = [epoch_row(metrics) for metrics in history]
    show_in(
        form,
        [confusion_table(chosen)],
        lambda: {
            "task": chosen.task,
            "labels": preparation.task.labels,
            "seed": seed,
            "selected_epoch": chosen.epoch,
            "epochs": rows,
        },
        lambda: [{name: value for name, value in row.items() if name != "confusion"} for row in rows],
    )
