# pyright: reportAttributeAccessIssue=false
"""Why a worker is gone, from errors as Ray makes them and Tune keeps them."""

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ray.core.generated import common_pb2
from ray.exceptions import ActorDiedError, ActorUnavailableError, RayTaskError
from ray.tune.experiment import Trial

from sweep.execution.losses import loss_of
from sweep.storage.storage import StorageError
from sweep.worker.drain_notice import NodeDrainedError
from sweep.worker.prepared_data import DataPreparationError


def of_task(error: Exception) -> RayTaskError:
    return RayTaskError("step", "Traceback", error)


def died(message: str, *, preempted: bool = False) -> ActorDiedError:
    context = common_pb2.ActorDiedErrorContext(error_message=message, class_name="Unit", actor_id=bytes(16))
    if preempted:
        context.node_death_info.reason = common_pb2.NodeDeathInfo.AUTOSCALER_DRAIN_PREEMPTED
    error = ActorDiedError(context)
    # As Ray hands it out: without the message that it was made of, which cannot be pickled.
    error.args = ()
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (of_task(NodeDrainedError("its node is about to be taken back")), "notice"),
        (died("The actor died because its node was drained.", preempted=True), "notice"),
        (ActorUnavailableError("RPC error: Socket closed", b"1" * 16), "node"),
        (died("The actor died because its node has died. Node Id: 1f. the node was marked dead"), "node"),
        (
            died("The actor is dead because its worker process has died. Worker exit detail: SIGSEGV"),
            "worker",
        ),
        (of_task(DataPreparationError("no such features in /cache")), "machine"),
        (of_task(StorageError("s3://lab: no credentials")), "machine"),
        (of_task(ModuleNotFoundError("No module named 'data.batches'; 'data' is not a package")), "machine"),
        (
            of_task(
                RuntimeError("The actor with name Unit failed to import on the worker. This may be because")
            ),
            "machine",
        ),
        (of_task(RuntimeError("CUDA error: an illegal memory access")), "worker"),
    ],
)
def test_a_loss_is_the_workers_its_nodes_or_announced(tmp_path: Path, error: Exception, cause: str) -> None:
    pickled, text = tmp_path / "error.pkl", tmp_path / "error.txt"
    pickled.write_bytes(pickle.dumps(error))
    text.write_text("Failure # 1\n\nTraceback\nSomethingError: what happened\n")
    loss = loss_of(cast(Trial, SimpleNamespace(error_file=str(text), pickled_error_file=str(pickled))))
    assert loss.cause == cause
    assert loss.reason.startswith("SomethingError: what happened\nFailure # 1")


def test_without_an_error_the_worker_is_to_blame(tmp_path: Path) -> None:
    damaged = tmp_path / "error.pkl"
    damaged.write_bytes(b"no pickle")
    trials: list[Any] = [
        SimpleNamespace(error_file=None, pickled_error_file=None),
        SimpleNamespace(error_file=None, pickled_error_file=str(damaged)),
    ]
    for trial in trials:
        assert loss_of(trial).cause == "worker"
        assert loss_of(trial).reason == "no cause given"
