"""Why the worker of a unit is gone, from what Ray Tune keeps of a trial, or what Ray itself raises."""

from __future__ import annotations

import pickle
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ray.exceptions import ActorDiedError, ActorUnavailableError, RayActorError, RayError, RayTaskError
from ray.tune.experiment import Trial

from sweep.execution.nodes import died_with_its_node, node_of
from sweep.study.events import Cause
from sweep.worker.leave_notice import UnitLeavesError
from sweep.worker.machine_errors import MACHINE_ERRORS

_NOT_IMPORTED = "failed to import on the worker"
"""Ray's words, in a plain RuntimeError, for a worker that could not import our code."""


@dataclass(frozen=True)
class Loss:
    """How a unit lost its worker. `reason`: a line, then the traceback. `cause`: what is gone, or gave notice.

    `node`: where the worker was (`sweep.execution.nodes`), if the error that Ray raised tells; empty otherwise.
    """

    reason: str
    cause: Cause
    node: str = ""


def loss_of(trial: Trial) -> Loss:
    """Find out what ended a trial that Tune calls failed."""
    trace = Path(trial.error_file).read_text(encoding="utf-8") if trial.error_file else ""
    return _loss(_error(trial), trace)


def loss_from(error: RayError) -> Loss:
    """Find out why a worker is gone, from what Ray raised instead of its answer."""
    return _loss(error, "".join(traceback.format_exception_only(error)))


def _loss(error: Any, trace: str) -> Loss:
    lines = [line.strip() for line in trace.splitlines() if line.strip()]
    node = node_of(error.actor_id) if isinstance(error, RayActorError) else ""
    return Loss(f"{lines[-1]}\n{trace}" if lines else "no cause given", _cause(error), node)


def _error(trial: Trial) -> Any:
    path = trial.pickled_error_file
    if not path or not Path(path).exists():
        return None
    try:
        # Written a moment ago by Tune, in this process.
        return pickle.loads(Path(path).read_bytes())
    except Exception:
        return None


def _cause(error: Any) -> Cause:
    if isinstance(error, RayTaskError):
        if isinstance(error.cause, UnitLeavesError):
            return "notice"
        lacks = isinstance(error.cause, MACHINE_ERRORS) or _NOT_IMPORTED in str(error.cause)
        return "machine" if lacks else "worker"
    if isinstance(error, RayActorError) and error.preempted:
        return "notice"
    # The connection broke and Ray does not yet know why; of a worker that died alone its node tells at once.
    if isinstance(error, ActorUnavailableError):
        return "node"
    if isinstance(error, ActorDiedError) and died_with_its_node(error.actor_id):
        return "node"
    return "worker"
