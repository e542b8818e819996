"""How long a training step, the scoring of a cycle and a checkpoint take on this machine, timed on noise."""

from __future__ import annotations

import statistics
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import nn

from data.quantities import counted
from model.training.checkpoint import save_checkpoint
from model.training.recipe import Recipe
from model.training.step_graph import CHECKED
from model.training.training import Training
from sweep.machine.gpu_sharing import GpuSharingError
from sweep.machine.gpu_sharing_processes import WITHOUT_GRAPH, Workload, measure, training_of_few_cycles

STEPS = 6
"""Steps at most, of which the first warms the machine up and is not timed."""
SECONDS = 2.0
"""No further step is timed once so many seconds have passed."""


@dataclass(frozen=True)
class StepTimes:
    """What one step of training, the scoring of one cycle and the writing of one checkpoint took, in seconds.

    `device` is `cpu` or `cuda`, `threads` how many threads the process had; `units` how many trained side by side, of
    which these are the times of one. `checkpoint_bytes` is the size of the whole
    run on disk, `weights_bytes` that of the tensors which each unit leaves: the network's, or those of the head on a
    frozen encoder, whose own tensors, `encoder_bytes`, a study keeps once. `why_plain`: why steps were not replayed from
    a CUDA graph, where that was asked for.
    """

    device: str
    threads: int
    step_seconds: float
    cycle_seconds: float
    checkpoint_seconds: float
    checkpoint_bytes: int
    weights_bytes: int
    encoder_bytes: int = 0
    units: int = 1
    why_plain: str | None = None

    def epoch_seconds(self, steps: int, cycles: int, *, saved: bool) -> float:
        """Add up what an epoch of so many steps lasts that is scored on so many cycles.

        `saved`: whether training waits until the epoch is saved; it goes on meanwhile where units are saved by time.
        """
        trained = steps * self.step_seconds + cycles * self.cycle_seconds
        return trained + (self.checkpoint_seconds if saved else 0.0)


def can_time(device: str) -> bool:
    """Whether this machine has the device, `cpu` or `cuda`."""
    return device == "cpu" or torch.cuda.is_available()


def time_steps(recipe: Recipe, device: str, threads: int, cuda_graphs: bool = False) -> StepTimes:
    """Train a few steps of `recipe` in this process, on noise and from random weights, and time them.

    With `cuda_graphs` steps are replayed where that can be done, and the times are those of steps after the checks.
    The checkpoint goes to a temporary folder, which is removed. Raises what PyTorch raises when the device's memory does
    not hold a batch.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        work = Workload(recipe, None, device, STEPS + CHECKED, 0.0, cuda_graphs)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", WITHOUT_GRAPH)
            training = training_of_few_cycles(work, share=1.0, seed=0)
            step, cycle = _step_seconds(training), _cycle_seconds(training)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.pt"
            started = time.perf_counter()
            save_checkpoint(path, training.state_dict())
            checkpoint, size = time.perf_counter() - started, path.stat().st_size
    finally:
        torch.set_num_threads(before)
    weights, network = _bytes(training.trained), _bytes(training.model)
    return StepTimes(
        *(device, threads, step, cycle, checkpoint, size, weights, network - weights),
        why_plain=training.why_plain,
    )


def time_shared_steps(
    recipe: Recipe, device: str, threads: int, units: int, cuda_graphs: bool = False
) -> StepTimes:
    """Time what `time_steps` does while `units` share the device, each in a process of its own.

    One that trains alone is then timed in a process of its own too: this process would keep what it took of the device's
    memory, beside the units that are measured next. Raises GpuSharingError when so many do not fit, or a process dies,
    and what `time_steps` raises.
    """
    if units == 1:
        return time_steps(recipe, device, threads, cuda_graphs)
    alone = _timed_apart(recipe, device, threads, cuda_graphs)
    work = Workload(recipe, None, device, STEPS, SECONDS, cuda_graphs)
    one, all_ = measure(work, 1, threads), measure(work, units, threads)
    for found in (one, all_):
        if found.problem is not None:
            raise GpuSharingError(
                f"{counted(found.processes, 'unit')} at a time on one device: {found.problem}"
            )
    # Noise may say that company makes a unit faster.
    slower = max(1.0, units * one.training_steps_per_second / all_.training_steps_per_second)
    return replace(
        alone,
        units=units,
        step_seconds=slower * alone.step_seconds,
        cycle_seconds=slower * alone.cycle_seconds,
        checkpoint_seconds=max(alone.checkpoint_seconds, all_.checkpoint_seconds),
        why_plain=alone.why_plain or all_.why_plain,
    )


def _timed_apart(recipe: Recipe, device: str, threads: int, cuda_graphs: bool) -> StepTimes:
    """Do what `time_steps` does in a process that is over, with all that it held, when this returns."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        try:
            return process.submit(time_steps, recipe, device, threads, cuda_graphs).result()
        except BrokenProcessPool:
            raise GpuSharingError("a process that trained one unit alone died") from None


def _bytes(module: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in module.state_dict().values())


def _step_seconds(training: Training) -> float:
    """Train until enough steps are timed; returns the median, without the first, and without checks of a graph."""
    untimed = 1 if training.step_graph is None else CHECKED
    asked: list[float] = []

    def enough() -> bool:
        _wait_for(training.device)
        asked.append(time.perf_counter())
        timed = len(asked) - 1 - untimed
        return timed == STEPS - 2 or (timed > 0 and asked[-1] - asked[untimed] > SECONDS)

    # Before each step the run asks whether to pause, so the times between are those of steps.
    assert training.run_epoch_unless(enough) is None
    return statistics.median(later - earlier for earlier, later in pairwise(asked[untimed:]))


def _cycle_seconds(training: Training) -> float:
    training.predict(training.validation.take(torch.arange(2)))
    _wait_for(training.device)
    started = time.perf_counter()
    training.predict(training.validation)
    _wait_for(training.device)
    return (time.perf_counter() - started) / len(training.validation)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
