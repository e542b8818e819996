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

from sweep.execution import nodes
from sweep.execution.losses import loss_of
from sweep.storage.storage import StorageError
from sweep.worker.leave_notice import UnitLeavesError
from sweep.worker.machine_errors import FullCacheError
from sweep.worker.prepared_data import DataPreparationError


def of_task(error: Exception) -> RayTaskError:
    return RayTaskError("step", "Traceback", error)


def died(message: str, *, actor: bytes = b"1", preempted: bool = False) -> ActorDiedError:
    context = common_pb2.ActorDiedErrorContext(error_message=message, class_name="Unit", actor_id=16 * actor)
    if preempted:
        context.node_death_info.reason = common_pb2.NodeDeathInfo.AUTOSCALER_DRAIN_PREEMPTED
    error = ActorDiedError(context)
    # As Ray hands it out: without the message that it was made of, which cannot be pickled.
    error.args = ()
    return error


LOST_ITS_NODE, ALONE = b"2", b"1"


class Head:
    """Ray's head: of actors it knows their node, and of what they died."""

    def actor_table(self, actor: str) -> dict[str, Any]:
        reasons = {
            (16 * LOST_ITS_NODE).hex(): common_pb2.ActorDiedErrorContext.NODE_DIED,
            (16 * ALONE).hex(): common_pb2.ActorDiedErrorContext.WORKER_DIED,
        }
        if actor not in reasons:
            return {}
        context = common_pb2.ActorDiedErrorContext(reason=reasons[actor])
        return {
            "Address": {"IPAddress": "10.0.0.7", "NodeID": "1f2e"},
            "DeathCause": SimpleNamespace(actor_died_error_context=context),
        }


@pytest.fixture(autouse=True)
def _head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "cluster_state", Head())


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (of_task(UnitLeavesError("its node is about to be taken back")), "notice"),
        (died("The actor died because its node was drained.", preempted=True), "notice"),
        (ActorUnavailableError("RPC error: Socket closed", b"1" * 16), "node"),
        (died("whatever Ray says", actor=LOST_ITS_NODE), "node"),
        (died("the node is fine, and the worker died", actor=ALONE), "worker"),
        (died("no word of this actor", actor=b"9"), "worker"),
        (of_task(DataPreparationError("no such features in /cache")), "machine"),
        (of_task(StorageError("s3://lab: no credentials")), "machine"),
        (of_task(FullCacheError("/cache: No space left on device")), "machine"),
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
    known = getattr(error, "actor_id", None) in ((16 * ALONE).hex(), (16 * LOST_ITS_NODE).hex())
    assert loss.node == ("10.0.0.7/1f2e" if known else "")


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
