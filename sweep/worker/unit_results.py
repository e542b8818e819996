"""What stays of a unit that trained to its end: its answers on the validation cycles, and its weights."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TypeVar

import numpy as np
import safetensors.torch

from data.errors import UserError
from model.training.training import Training
from sweep.storage.open_storage import open_storage
from sweep.storage.patience import patiently
from sweep.storage.storage import Storage
from sweep.study.units import unit_id

WEIGHTS = "weights.safetensors"
"""Name of the file, in the folder of a unit, with the weights that the unit had after its last epoch."""
Result = TypeVar("Result")


class UnitResultError(UserError):
    """Weights or predictions of a unit that are not there, or cannot be read."""


def keep_results(training: Training, unit: str, units: str, predictions: str | None) -> None:
    """Write down what a unit that trained to its end has come to.

    Its weights become `units/UNIT/weights.safetensors`, without the optimiser and the projector. The probabilities of
    its validation cycles become `predictions/UNIT.npy`, float16, (cycles, classes), unless `predictions` is None, or
    the run was begun by a version that did not keep them. Both are paths or URIs. Raises OSError when they cannot be
    written; an object store that does not answer is waited for some minutes.
    """
    if predictions is not None and training.probabilities is not None:
        content = BytesIO()
        np.save(content, training.probabilities.numpy(), allow_pickle=False)
        _at(predictions, lambda storage: storage.write(f"{unit}.npy", content.getvalue()))
    tensors = {name: value.detach().cpu().contiguous() for name, value in training.model.state_dict().items()}
    notes = {
        "unit": unit,
        "epoch": str(training.epoch),
        "recipe": training.identity,
        "task": training.task.name,
    }
    weights = safetensors.torch.save(tensors, notes)
    _at(units, lambda storage: storage.write(f"{unit}/{WEIGHTS}", weights))


def read_predictions(predictions: str, configuration: int, seed: int) -> np.ndarray | None:
    """Read the probabilities of a unit's validation cycles, float16, (cycles, classes); None when none were kept.

    Raises UnitResultError for a file that holds something else, and OSError when its place does not answer.
    """
    name = f"{unit_id(configuration, seed)}.npy"
    try:
        content = _at(predictions, lambda storage: storage.read(name))
    except FileNotFoundError:
        return None
    try:
        return np.load(BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise UnitResultError(f"{predictions}/{name}: not the predictions of a unit ({error})") from error


def read_weights(units: str, configuration: int, seed: int) -> bytes:
    """Read the file of a unit's weights. Raises UnitResultError when there is none, OSError when its place is away."""
    name = f"{unit_id(configuration, seed)}/{WEIGHTS}"
    try:
        return _at(units, lambda storage: storage.read(name))
    except FileNotFoundError:
        raise UnitResultError(
            f"{units}/{name}: no such weights; they are kept of the best configuration's units, as they end"
        ) from None


def _at(place: str, action: Callable[[Storage], Result]) -> Result:
    return patiently(lambda: action(open_storage(place)))
