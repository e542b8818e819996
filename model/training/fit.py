"""Train one recipe with one seed to the last epoch, and score each epoch on the validation cycles."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch

from data.batches import Examples
from data.errors import UserError
from data.task import Task
from model.training.checkpoint import CheckpointError, latest_checkpoint, save_checkpoint
from model.training.epoch_metrics import EpochMetrics
from model.training.recipe import Recipe
from model.training.timed_saves import TimedSaves
from model.training.training import Training


class PausedRunError(UserError):
    """A run that was told to pause before its last epoch had ended, and can go on."""

    exit_status = os.EX_TEMPFAIL
    opening = "paused"


def fit(
    recipe: Recipe,
    seed: int,
    train: Examples,
    validation: Examples,
    *,
    task: Task,
    device: str | torch.device | None = None,
    checkpoint: Path | None = None,
    checkpoint_minutes: float = 0.0,
    data: str | None = None,
    pause: Callable[[], bool] | None = None,
    cuda_graphs: bool = False,
) -> Iterator[EpochMetrics]:
    """Train to the last epoch, yielding each epoch's metrics; `task` says what the labels of the cycles are.

    With `checkpoint`, every epoch is saved there before it is yielded, and a run found there is continued: its
    past epochs are yielded first, and what follows equals the undisturbed run bit for bit on the CPU. With
    `checkpoint_minutes` only the last epoch is saved so, and the one after which nobody asks for more; others are if so
    many minutes have passed since the save before, while the next epoch is trained. A damaged file gives a warning,
    and the run goes on from the checkpoint before it, or else begins anew. `data` is any text that stands for the
    cycles, such as their hashes; by default their digest is computed.

    `pause`, only with a checkpoint, is asked before each batch. When it answers True the run is saved where it is, in
    the middle of an epoch, and PausedRunError is raised. `cuda_graphs` is that of `Training`.

    Raises TrainingError when the loss stops being finite or the validation cycles cannot be scored, and
    CheckpointError for a checkpoint of another recipe, seed, task or of other data, one whose tensors are not those
    of this run, a file that is none, and a folder.
    """
    if checkpoint is not None:
        if checkpoint.is_dir():
            raise CheckpointError(f"{checkpoint}: a folder; expected the name of a file to save the run in")
        data = data or f"{train.digest()}/{validation.digest()}"
    training = Training(
        recipe, seed, train, validation, task=task, device=device, data=data, cuda_graphs=cuda_graphs
    )
    if checkpoint is not None:
        state, note = latest_checkpoint(checkpoint)
        if note is not None:
            warnings.warn(note, stacklevel=2)
        if state is not None:
            if state.get("data") is None:
                warnings.warn(
                    f"{checkpoint}: saved by an earlier version, which did not write down what data it was trained on; "
                    "that it is this data is not checked",
                    stacklevel=2,
                )
            try:
                training.load_state_dict(state)
            except CheckpointError as error:
                raise CheckpointError(f"{checkpoint}: {error}") from error
            yield from training.history
    if checkpoint is None:
        if pause is not None:
            raise ValueError("pause: only a run with a checkpoint can go on where it was paused")
        while not training.done:
            yield training.run_epoch()
        return
    saves = TimedSaves(partial(save_checkpoint, checkpoint), checkpoint_minutes)
    try:
        while not training.done:
            metrics = training.run_epoch_unless(pause or _never)
            if metrics is None:
                saves.save(training.state_dict())
                raise PausedRunError(
                    f"saved in epoch {training.epoch + 1} of {recipe.epochs}: {checkpoint}; training with this "
                    "checkpoint goes on from there"
                )
            saved = saves.epoch_ended(training.state_dict)
            if training.done and saved:
                saves.wait()
            elif training.done:
                saves.save(training.state_dict())
            try:
                yield metrics
            except GeneratorExit:
                if not (saved or training.done):
                    saves.save(training.state_dict())
                raise
    finally:
        saves.close()


def _never() -> bool:
    return False
