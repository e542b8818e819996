"""What a checkpoint must hold to be loaded into a run: its tensors, moments, history and begun epoch.

A file can be whole and still hold anything. PyTorch takes the moments of an optimiser as they come, and fused steps
write beyond a moment that is smaller than its parameter.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.optim import SGD, Optimizer

from data.task import Task
from evidence.predictions import check_probabilities
from model.tensor_archive import is_dense
from model.training.checkpoint import CheckpointError
from model.training.epoch_metrics import EpochMetrics

_HISTORY = TypeAdapter(list[EpochMetrics])


@dataclass(frozen=True)
class Contents:
    """A state that fits a run.

    `modules` and `optimiser` are as their `load_state_dict` takes them, `history` has all epochs so far, `begun` what is
    known of an epoch that was paused, and `probabilities` those of the validation cycles, if they were kept.
    """

    modules: Mapping[str, Tensor]
    optimiser: dict[str, Any]
    history: list[EpochMetrics]
    begun: dict[str, Any] | None
    probabilities: Tensor | None


def checked_state(
    state: Mapping[str, Any], modules: nn.Module, optimiser: Optimizer, task: Task, validation_cycles: int
) -> Contents:
    """Compare a state that was read from a file with the run that is to take it. Raises CheckpointError."""
    return Contents(
        modules=_weights(_mapping(state, "modules"), modules),
        optimiser=_optimiser(_mapping(state, "optimiser"), optimiser),
        history=_history(state.get("history"), task),
        begun=_begun(state["begun"]) if state.get("begun") is not None else None,
        probabilities=_probabilities(state.get("probabilities"), validation_cycles, task),
    )


def _weights(found: Mapping[Any, Any], modules: nn.Module) -> Mapping[str, Tensor]:
    expected = modules.state_dict()
    if found.keys() != expected.keys():
        name = min(map(str, found.keys() ^ expected.keys()))
        raise CheckpointError(
            f"the checkpoint holds other weights than this network; the first is {name[:80]}"
        )
    for name, ours in expected.items():
        _like(found[name], ours, name)
    return found


def _optimiser(found: Mapping[Any, Any], optimiser: Optimizer) -> dict[str, Any]:
    """The state of an optimiser with moments laid out as their parameters, and settings as this run has them."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    names = {"momentum_buffer"} if isinstance(optimiser, SGD) else {"step", "exp_avg", "exp_avg_sq"}
    moments: dict[int, dict[str, Any]] = {}
    for index, saved in _mapping(found, "state").items():
        if type(index) is not int or not 0 <= index < len(parameters) or not isinstance(saved, Mapping):
            raise CheckpointError(
                f"the checkpoint has moments of parameter {str(index)[:80]!r}; this run has {len(parameters)} parameters"
            )
        if saved.keys() != names:
            raise CheckpointError(
                f"the checkpoint's optimiser keeps {_listed(saved)} of parameter {index}, this one {_listed(names)}"
            )
        moments[index] = {
            name: _moment(value, parameters[index], f"{name} of parameter {index}")
            for name, value in saved.items()
        }
    return {"state": moments, "param_groups": optimiser.state_dict()["param_groups"]}


def _moment(value: Any, parameter: Tensor, name: str) -> Tensor | None:
    if value is None and name.startswith("momentum_buffer"):
        return None
    if name.startswith("step"):
        steps = _like(value, torch.zeros(()), name)
        if not math.isfinite(float(steps)) or float(steps) < 0:
            raise CheckpointError(f"the checkpoint's {name} is {float(steps)}; expected a number of steps")
        return steps
    moment = _like(value, parameter, name)
    # Fused steps walk through both by one index, so their numbers must lie in one order, whatever the file says.
    return torch.zeros_like(parameter, requires_grad=False).copy_(moment)


def _like(value: Any, ours: Tensor, name: str) -> Tensor:
    if not isinstance(value, Tensor) or not is_dense(value):
        raise CheckpointError(f"the checkpoint's {name} is no plain tensor")
    if value.shape != ours.shape or value.dtype != ours.dtype:
        raise CheckpointError(
            f"the checkpoint's {name} is {value.dtype} of shape {tuple(value.shape)}; expected {ours.dtype} of shape "
            f"{tuple(ours.shape)}"
        )
    return value


def _history(found: Any, task: Task) -> list[EpochMetrics]:
    try:
        history = _HISTORY.validate_python(found)
    except ValidationError as error:
        raise CheckpointError(f"the checkpoint's history is none: {_first(error)}") from error
    for number, metrics in enumerate(history, start=1):
        square = [len(row) for row in metrics.confusion] == [task.num_classes] * task.num_classes
        counts = [count for row in metrics.confusion for count in row]
        losses = (
            metrics.train_loss,
            metrics.cross_entropy,
            *metrics.terms.values(),
            metrics.sharpness or 0.0,
        )
        if (
            metrics.epoch != number
            or metrics.task != task.name
            or not square
            or min(counts) < 0
            or not (0 < sum(counts[: task.num_classes]) < sum(counts) < 2**53)
            or not all(map(math.isfinite, (*losses, metrics.learning_rate, metrics.seconds)))
        ):
            raise CheckpointError(f"the checkpoint's epoch {number} cannot be one of this run")
    return history


def _begun(found: Any) -> dict[str, Any]:
    """How far a paused epoch has come."""
    wants: dict[str, Callable[[Any], bool]] = {
        **dict.fromkeys(("masks", "mixing", "mixup"), _is_generator_state),
        "drop_path": lambda states: (
            isinstance(states, list)
            and 1 <= len(states) <= 2
            and _is_generator_state(states[0])
            and all(isinstance(one, Tensor) and one.dtype == torch.uint8 and is_dense(one) for one in states)
        ),
        **dict.fromkeys(("steps", "skipped"), lambda count: type(count) is int and count >= 0),
        "sums": lambda sums: (
            isinstance(sums, dict)
            and all(isinstance(name, str) and _is_number(value) for name, value in sums.items())
        ),
        "seconds": lambda seconds: type(seconds) in (int, float) and math.isfinite(seconds),
    }
    if not isinstance(found, Mapping) or found.keys() != wants.keys():
        raise CheckpointError("the checkpoint's begun epoch is none")
    for name, fits in wants.items():
        if not fits(found[name]):
            raise CheckpointError(f"the checkpoint's begun epoch has {name} that cannot be continued")
    return dict(found)


def _probabilities(found: Any, cycles: int, task: Task) -> Tensor | None:
    """Probabilities of the validation cycles; states of before these were kept have none."""
    if found is None:
        return None
    if not isinstance(found, Tensor) or not is_dense(found):
        raise CheckpointError("the checkpoint's probabilities are no plain tensor")
    try:
        check_probabilities(found.numpy(), cycles, task.num_classes)
    except (ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"the checkpoint's probabilities cannot be of this run: {error}") from error
    return found


def _is_generator_state(value: Any) -> bool:
    try:
        torch.Generator().set_state(value)
    except (RuntimeError, TypeError):
        return False
    return True


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, Tensor) and is_dense(value) and value.shape == () and value.dtype == torch.float32
    )


def _mapping(holder: Mapping[Any, Any], name: str) -> Mapping[Any, Any]:
    found = holder.get(name)
    if not isinstance(found, Mapping):
        raise CheckpointError(f"the checkpoint has no {name}")
    return found


def _listed(names: Any) -> str:
    return ", ".join(sorted(str(name)[:40] for name in names)[:6]) or "nothing"


def _first(error: ValidationError) -> str:
    first = error.errors(include_input=False, include_url=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
