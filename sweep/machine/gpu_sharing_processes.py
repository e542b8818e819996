"""Processes that train one recipe side by side, as units do, and say how fast they were."""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import warnings
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from data.batches import Examples
from data.origins import Origins
from data.task import ICBHI, Task, task_named
from model.out_of_memory import is_out_of_memory
from model.training.checkpoint import save_checkpoint
from model.training.recipe import Recipe
from model.training.training import Training
from sweep.machine.gpu_advice import gpu_advice, refusal
from sweep.machine.gpu_sharing import (
    GpuSharingError,
    Measurement,
    Sharing,
    measurements,
    recipe_to_share_a_gpu,
)
from sweep.worker.gpu_facts import gpu_facts, mps_runs
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation, PreparedData
from sweep.worker.visible_gpus import visible_gpus

STEPS = {"cuda": 16, "cpu": 4}
"""Steps of an epoch while it is measured; a quarter as many cycles are scored, as in a run on five folds."""
SECONDS = 20.0
ICBHI_TRAINING_CYCLES = 4142
WITHOUT_GRAPH = ".* replayed from a CUDA graph"
"""How a run's warnings begin that say why its steps are plain (`Training.why_plain`)."""


@dataclass(frozen=True)
class Workload:
    """What each process trains, for `seconds` at least, in epochs of `steps`.

    Without `prepared`: synthetic features of the recipe's shape. `cuda_graphs`: replay steps from a CUDA graph where
    that can be done.
    """

    recipe: Recipe
    prepared: PreparedData | None
    device: str
    steps: int
    seconds: float
    cuda_graphs: bool = False

    @property
    def task(self) -> Task:
        """The task of the recordings; for noise `icbhi`."""
        return ICBHI if self.prepared is None else task_named(self.prepared.task)


def measure_sharing(path: Path, data: Path | None, task: str | None = None) -> Sharing:
    """Measure on this machine how many units of the recipe or study in a file train best at a time.

    Units train as the study's would, with CUDA graphs if it asks for these. They train on the recordings in `data`, read
    for `task`, or on noise of the recipe's shape when there are none. Takes a minute or more for each number of units.
    Raises ConfigError, DataError or GpuSharingError, each with one clear line.
    """
    recipe, resources = recipe_to_share_a_gpu(path)
    prepared = None if data is None else DataPreparation(data, task=task).prepare(recipe)
    work = replace(workload(recipe, prepared), cuda_graphs=resources.cuda_graphs == "auto")
    cores = cores_for_a_device(work.device)
    name = torch.cuda.get_device_name() if work.device == "cuda" else "CPU"
    gpus, mps = (visible_gpus(gpu_facts()), mps_runs()) if work.device == "cuda" else ([], False)
    if (reason := refusal(gpus, mps)) is not None:
        raise GpuSharingError(reason)
    done = tuple(measurements(partial(measure, work), cores))
    advice = tuple(gpu_advice(gpus, mps))
    return Sharing(
        path, data, work.device, name, cores, work.seconds, work.steps, done, advice, work.cuda_graphs
    )


def workload(recipe: Recipe, prepared: PreparedData | None = None) -> Workload:
    """Make a workload of a few steps at a time of `recipe`, on CUDA where there is a device."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return Workload(recipe, prepared, device, STEPS[device], SECONDS)


def cores_for_a_device(device: str) -> int:
    """Count the CPU cores of this process for each device."""
    cores = len(os.sched_getaffinity(0))
    return max(1, cores // torch.cuda.device_count()) if device == "cuda" else cores


def measure(work: Workload, processes: int, threads: int) -> Measurement:
    """Train in `processes` processes at once, from the moment when all of them are warm; then all save a checkpoint.

    A full memory is a result. Raises GpuSharingError when a process fails otherwise.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        workers: dict[Any, SpawnProcess] = {}
        for seed in range(processes):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_work, args=(work, threads, 1 / processes, seed, theirs), daemon=True
            )
            process.start()
            stack.callback(_end, process)
            theirs.close()
            workers[ours] = process
        try:
            _answers(workers)
            figures = _answers(workers)
            saved = _answers(workers)
        except _FullMemory as full:
            return Measurement(processes, threads, problem=str(full))
    slowest = max(one.seconds for one in saved)
    return Measurement(
        processes,
        threads,
        steps_per_second=sum(
            _with_checkpoint(one.steps_per_second, one.epoch_steps, slowest) for one in figures
        ),
        training_steps_per_second=sum(one.steps_per_second for one in figures),
        peak=max(one.peak for one in figures),
        left=min(one.left for one in figures),
        checkpoint_seconds=slowest,
        checkpoint_bytes=max(one.bytes for one in saved),
        why_plain=next((one.why_plain for one in figures if one.why_plain is not None), None),
    )


def _with_checkpoint(steps_per_second: float, epoch_steps: int, checkpoint_seconds: float) -> float:
    """Slow steps down by the checkpoint that follows each epoch."""
    return epoch_steps / (epoch_steps / steps_per_second + checkpoint_seconds)


def training_of_few_cycles(work: Workload, share: float, seed: int) -> Training:
    """Set up a run of `work` on a few cycles, with all features on the device, in a `share` of the device's memory."""
    return _set_up(work, share, seed)[0]


def _set_up(work: Workload, share: float, seed: int) -> tuple[Training, int]:
    """Set up a run on a few cycles; returns how many there are in the whole part too."""
    # Weights make no difference to the work, but what has learned nothing may diverge.
    recipe = work.recipe.model_copy(
        update={
            "backbone": work.recipe.backbone.model_copy(update={"pretrained": None}),
            "optimiser": work.recipe.optimiser.model_copy(update={"learning_rate": 1e-6}),
            "epochs": 1_000_000,
        }
    )
    batch, fold = recipe.batch_size, recipe.folds.fold
    train, validation = (
        load_examples(work.prepared, fold) if work.prepared else _synthetic(recipe, work.steps)
    )
    # Whole batches, so that steps can be counted.
    number = min(work.steps, len(train) // batch) * batch or len(train)
    few = (
        # Who breathes makes no difference either, but the first cycles may all come from one device or patient.
        replace(train.take(torch.arange(number)), origins=_made_up_origins(number)),
        validation.take(_both_kinds(validation.labels, max(2, number // 4))),
    )
    on_device = (examples.to(work.device, share) for examples in few)
    training = Training(
        recipe, seed, *on_device, task=work.task, device=work.device, cuda_graphs=work.cuda_graphs
    )
    return training, len(train) if work.prepared else ICBHI_TRAINING_CYCLES


class _FullMemory(Exception):
    pass


class _Figures(NamedTuple):
    """What one process measured; `epoch_steps`: of a whole epoch, of which it trained a few.

    `why_plain`: why steps were not replayed, or not to the end, where that was asked for.
    """

    steps_per_second: float
    epoch_steps: int
    peak: int
    left: int
    why_plain: str | None


class _Saved(NamedTuple):
    """A checkpoint of one process: how long it took, and its size."""

    seconds: float
    bytes: int


def _answers(workers: dict[Any, SpawnProcess]) -> list[Any]:
    """Wait for an answer of every process, then let all go on. Raises the error of the first process that fails."""
    answers = []
    silent = set(workers)
    while silent:
        for connection in wait(silent):
            answers.append(_answer(connection, workers[connection]))
            silent.remove(connection)
    for connection in workers:
        # Who has died in the meantime is missed at the next answer.
        with suppress(ConnectionError):
            connection.send("go on")
    return answers


def _answer(connection: Any, process: SpawnProcess) -> Any:
    try:
        answer = connection.recv()
    except (EOFError, ConnectionError):
        process.join()
        if process.exitcode == -signal.SIGKILL:
            raise _FullMemory("a process was killed, as happens when the machine's memory is full") from None
        raise GpuSharingError(
            f"a process that trained the recipe died, exit code {process.exitcode}"
        ) from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def _end(process: SpawnProcess) -> None:
    process.kill()
    process.join()


def _work(work: Workload, threads: int, share: float, seed: int, parent: Connection) -> None:
    """Warm up and say so; when all are warm, train and send figures, then save; stay until all have, to share memory."""
    # Ctrl-C reaches every process of a terminal; the parent ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What they say is told with the figures.
    warnings.filterwarnings("ignore", WITHOUT_GRAPH)
    try:
        torch.set_num_threads(threads)
        training, cycles = _set_up(work, share, seed)
        training.run_epoch()
        parent.send(None)
        parent.recv()
        epoch_steps = max(1, cycles // training.recipe.batch_size)
        parent.send(_train(training, work.seconds, epoch_steps))
        parent.recv()
        parent.send(_save(training))
        parent.recv()
    except (EOFError, ConnectionError):
        return
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
        parent.send(_FullMemory(text.splitlines()[0]) if is_out_of_memory(error) else GpuSharingError(text))


def _save(training: Training) -> _Saved:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pt"
        started = time.perf_counter()
        save_checkpoint(path, training.state_dict())
        return _Saved(time.perf_counter() - started, path.stat().st_size)


def _train(training: Training, at_least: float, epoch_steps: int) -> _Figures:
    steps, seconds, started = 0, 0.0, time.perf_counter()
    while not steps or seconds < at_least:
        training.run_epoch()
        steps += max(1, len(training.train) // training.recipe.batch_size)
        seconds = time.perf_counter() - started
    if training.device.type == "cuda":
        graph = training.step_graph
        held = graph is not None and graph.is_held
        peak = torch.cuda.max_memory_reserved() if held else torch.cuda.max_memory_allocated()
        left = torch.cuda.mem_get_info()[0]
        return _Figures(steps / seconds, epoch_steps, peak, left, training.why_plain)
    # What getrusage calls the peak may be the parent's, which outlives exec.
    peak, left = _of_proc("self/status", "VmHWM"), _of_proc("meminfo", "MemAvailable")
    return _Figures(steps / seconds, epoch_steps, peak, left, training.why_plain)


def _of_proc(table: str, name: str) -> int:
    """Read an entry in KiB of a table in /proc; returns bytes."""
    lines = Path("/proc", table).read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))


def _synthetic(recipe: Recipe, steps: int) -> tuple[Examples, Examples]:
    """Make noise with ICBHI's labels, in a table at least as large as that of its training part."""
    number, features = steps * recipe.batch_size, recipe.features
    cycles = max(2 * number, ICBHI_TRAINING_CYCLES)
    dtype: torch.dtype = getattr(torch, features.storage)
    # What is never read takes no memory on the CPU.
    table = torch.empty(cycles, features.frames, features.n_mels, dtype=dtype)
    table[: 2 * number].normal_(std=0.5)
    examples = Examples(table, torch.arange(cycles) % ICBHI.num_classes)
    return examples.take(torch.arange(number)), examples.take(torch.arange(number, 2 * number))


def _made_up_origins(cycles: int) -> Origins:
    """Two patients or more, of ten cycles each unless there are fewer than twenty, and two devices in turn."""
    patients = torch.arange(cycles) // max(1, min(10, cycles // 2))
    return Origins(patients, torch.arange(cycles) % 2, ("one", "another"))


def _both_kinds(labels: Int[Tensor, " cycles"], number: int) -> Int[Tensor, " few"]:
    """Take `number` cycles, led by a normal and an abnormal cycle if there are any, as a score needs both."""
    normal, abnormal = torch.where(labels == 0)[0], torch.where(labels != 0)[0]
    places = [*dict.fromkeys([*normal[:1].tolist(), *abnormal[:1].tolist(), *range(len(labels))])]
    return torch.tensor(places[:number])
