"""What stays of a unit that trained to its end: its answers on the validation cycles, and its weights.

Of a study that asks for the test part (`leak: true`) also what the unit answered to it after each epoch, apart.
"""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import TypeVar
from weakref import WeakKeyDictionary

import numpy as np
import safetensors.torch
from torch import Tensor, nn

from data.errors import UserError
from model.frozen import FrozenNetwork
from model.training.training import Training
from sweep.storage.open_storage import open_storage
from sweep.storage.patience import patiently
from sweep.storage.storage import Storage
from sweep.storage.weights_files import SHARED, read_whole, shared_name
from sweep.study.units import unit_id

WEIGHTS = "weights.safetensors"
"""Name of the file, in the folder of a unit, with the weights that the unit had after its last epoch."""
Result = TypeVar("Result")


class UnitResultError(UserError):
    """Weights or predictions of a unit that are not there, or cannot be read."""


def keep_results(training: Training, unit: str, units: str, predictions: str | None) -> None:
    """Write down what a unit that trained to its end has come to.

    Its weights become `units/UNIT/weights.safetensors`, without the optimiser and the projector; a frozen encoder's
    lie beside the units' folders, once for all heads on it (`sweep.storage.weights_files`). The probabilities of
    its validation cycles become `predictions/UNIT.npy`, float16, (cycles, classes), unless `predictions` is None, or
    the run was begun by a version that did not keep them. Both are paths or URIs. Raises OSError when they cannot be
    written; an object store that does not answer is waited for some minutes.
    """
    if predictions is not None and training.probabilities is not None:
        content = BytesIO()
        np.save(content, training.probabilities.numpy(), allow_pickle=False)
        _at(predictions, lambda storage: storage.write(f"{unit}.npy", content.getvalue()))
    notes = {
        "unit": unit,
        "epoch": str(training.epoch),
        "recipe": training.identity.recipe,
        "task": training.task.name,
    }
    kept = training.model
    if isinstance(kept, FrozenNetwork):
        notes[SHARED] = _keep_encoder(kept.encoder, units)
        tensors = _tensors(kept.head, "head.")
    else:
        tensors = _tensors(kept)
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


def keep_leaked(leak: str, unit: str, epoch: int, probabilities: np.ndarray) -> None:
    """Write down what a unit answered to the test part after an epoch: `leak/UNIT/epoch-NUMBER.npy`.

    `probabilities`: float16, (cycles, classes). An epoch that is trained again replaces what is there, so that each is
    there once. Raises OSError as `keep_results` does.
    """
    content = BytesIO()
    np.save(content, probabilities, allow_pickle=False)
    _at(leak, lambda storage: storage.write(_leaked(unit, epoch), content.getvalue()))


def read_leaked(leak: str, configuration: int, seed: int, epochs: int) -> list[np.ndarray]:
    """Read what a unit answered to the test part after each of its `epochs`: float16, (cycles, classes) each.

    Raises UnitResultError when an epoch is missing or a file holds something else, OSError when its place is away.
    """
    found = []
    for epoch in range(1, epochs + 1):
        name = _leaked(unit_id(configuration, seed), epoch)
        try:
            content = _at(leak, lambda storage, name=name: storage.read(name))
            found.append(np.load(BytesIO(content), allow_pickle=False))
        except FileNotFoundError:
            raise UnitResultError(
                f"{leak}/{name}: no such answers; they are kept after every epoch of a study with `leak: true`"
            ) from None
        except (ValueError, EOFError) as error:
            raise UnitResultError(f"{leak}/{name}: not the answers of a unit ({error})") from error
    return found


def read_weights(units: str, configuration: int, seed: int) -> bytes:
    """Read the weights of a unit, as one file of a whole network.

    Raises UnitResultError when there is none, StorageError for a damaged encoder, and OSError when its place is away.
    """
    name = f"{unit_id(configuration, seed)}/{WEIGHTS}"
    try:
        return _at(units, lambda storage: read_whole(storage, name))
    except FileNotFoundError:
        raise UnitResultError(
            f"{units}/{name}: no such weights; they are kept of the best configuration's units, as they end"
        ) from None


def has_weights(units: str, configuration: int, seed: int) -> bool:
    """Whether weights of a unit were kept. Raises OSError when their place does not answer."""
    name = f"{unit_id(configuration, seed)}/{WEIGHTS}"
    return _at(units, lambda storage: storage.has(name))


def _keep_encoder(encoder: nn.Module, units: str) -> str:
    """Write the tensors of an encoder beside its units' folders, unless they are there; returns their file's name."""
    known = _encoder_files.get(encoder)
    if known is not None and _at(units, lambda storage: storage.has(known)):
        return known
    content = safetensors.torch.save(_tensors(encoder, "encoder."))
    name = _encoder_files[encoder] = shared_name(content)
    if not _at(units, lambda storage: storage.has(name)):
        _at(units, lambda storage: storage.write(name, content))
    return name


def _tensors(network: nn.Module, prefix: str = "") -> dict[str, Tensor]:
    state = network.state_dict().items()
    return {f"{prefix}{name}": value.detach().cpu().contiguous() for name, value in state}


_encoder_files: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()
"""Names of the files of the encoders that this process holds; units of one encoder follow each other."""


def _leaked(unit: str, epoch: int) -> str:
    return f"{unit}/epoch-{epoch:04}.npy"


def _at(place: str, action: Callable[[Storage], Result]) -> Result:
    return patiently(lambda: action(open_storage(place)))
