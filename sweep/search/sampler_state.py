"""What a sampler noted in a journal, looked at before it is believed: CMA-ES writes its state as a pickle."""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Mapping
from typing import Any

import optuna
from cmaes import CMA, CMAwM, SepCMA
from optuna.trial import FrozenTrial

from sweep.study.units import Configuration

OPTIMIZER, GENERATION, PARENTS, PLACE_IN_SEQUENCE = ":optimizer:", ":generation", ":parent:", "qmc:"
"""Parts of the names under which samplers note things."""
MOST = 2**53
_NUMPY = ("numpy._core.multiarray", "numpy.core.multiarray")
_KNOWN = {
    *((kind.__module__, kind.__name__) for kind in (CMA, CMAwM, SepCMA)),
    *((module, name) for module in _NUMPY for name in ("_reconstruct", "scalar")),
    *(("numpy", name) for name in ("ndarray", "dtype")),
}
"""Classes and functions of which the state of CMA-ES is made."""


class CmaEsSampler(optuna.samplers.CmaEsSampler):
    """Optuna's CMA-ES that takes its state up without running what else may stand in its place."""

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            noted = {
                key: value
                for key, value in trial.system_attrs.items()
                if key.startswith(self._attr_key_optimizer)
            }
            if noted:
                return _optimizer(noted)
        return None


def state_fault(configuration: Configuration, configurations: int) -> str | None:
    """Say what of a configuration's `sampler_state` no sampler wrote, in a study of so many `configurations`."""
    trial, study = (configuration.sampler_state.get(place, {}) for place in ("trial", "study"))
    for key, value in trial.items():
        if key.endswith(GENERATION) and not _is_whole(value, MOST):
            return f"{key}: must be a whole number"
        if key == "x_for_tell" and not _are_numbers(value):
            return f"{key}: must be a list of numbers"
    for key, value in study.items():
        if PARENTS in key and not (
            isinstance(value, list) and all(_is_whole(one, configurations) for one in value)
        ):
            return f"{key}: must be a list of numbers of configurations"
        if key.startswith(PLACE_IN_SEQUENCE) and not _is_whole(value, MOST):
            return f"{key}: must be a whole number"
    noted = {key: value for key, value in trial.items() if OPTIMIZER in key}
    try:
        return None if not noted else _misfit(_optimizer(noted))
    except ValueError as error:
        return str(error)


def _optimizer(noted: Mapping[str, Any]) -> Any:
    """Read the state of CMA-ES from its pieces. Raises ValueError for anything else."""
    prefix = next(iter(noted)).rpartition(":")[0]
    try:
        text = "".join(noted[f"{prefix}:{piece}"] for piece in range(len(noted)))
        return _OwnUnpickler(io.BytesIO(bytes.fromhex(text))).load()
    except Exception as error:
        # Whatever a damaged pickle does: it builds no more than the few kinds of objects that are known.
        raise ValueError(f"{prefix}: not the state of CMA-ES: {error}") from None


class _OwnUnpickler(pickle.Unpickler):
    def find_class(self, module_name: str, global_name: str) -> Any:
        if (module_name, global_name) not in _KNOWN:
            raise pickle.UnpicklingError(f"{module_name}.{global_name} is no part of it")
        return super().find_class(module_name, global_name)


def _misfit(optimizer: Any) -> str | None:
    """Say why an object is no optimizer that can go on."""
    try:
        sound = (
            isinstance(optimizer, CMA | CMAwM | SepCMA)
            and 2 <= optimizer.population_size <= 10_000
            and 0 < optimizer.dim <= 1_000
            and _is_whole(optimizer.generation, MOST)
        )
    except (AttributeError, TypeError):
        # An object of theirs that holds something else.
        sound = False
    return None if sound else "the state of CMA-ES is none that it can go on from"


def _is_whole(value: Any, limit: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit


def _are_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int | float) and not isinstance(one, bool) and abs(one) < math.inf for one in value
    )
