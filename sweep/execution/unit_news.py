"""What a worker told of a unit, passed on to the study: its epochs, and how it ended."""

from __future__ import annotations

from sweep.execution.losses import Loss
from sweep.study.coordinator import Coordinator
from sweep.worker.step_result import Failed, Finished, FullDisk, OutOfMemory, StepResult


def tell_epochs(coordinator: Coordinator, number: int, seed: int, result: StepResult) -> bool:
    """Tell the study the epochs of a step; True when the unit is to stop."""
    stopped = False
    with coordinator.halting_on_full_disk():
        for report in result.reports:
            stopped = coordinator.report(number, seed, report) or stopped
    return stopped


def tell_ending(
    coordinator: Coordinator, number: int, seed: int, result: StepResult | None, loss: Loss
) -> None:
    """Tell the study how a unit ended by its last step.

    `result` is None when the unit's worker is gone, and `loss` says why; a step that is no unit's last means that the
    worker was stopped from outside.
    """
    with coordinator.halting_on_full_disk():
        match result and result.ending:
            case Finished(epoch):
                coordinator.finished(number, seed, epoch)
            case Failed(reason):
                coordinator.failed(number, seed, reason)
            case OutOfMemory(reason):
                coordinator.lost(number, seed, reason, out_of_memory=True)
            case FullDisk(reason):
                coordinator.halt(reason, at_once=True)
            case None if coordinator.halted is None:
                if result is not None:
                    loss = Loss("stopped from outside before its last epoch", "worker")
                coordinator.lost(number, seed, loss.reason, cause=loss.cause, node=loss.node)
            case None:
                # What a halt tears down is no failure of the unit, which waits to be taken up again.
                pass
