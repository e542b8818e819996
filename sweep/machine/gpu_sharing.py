"""How many units of a recipe train best on one device at a time: what to measure next, and what to make of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from data.errors import UserError
from data.settings import read_yaml
from model.training.recipe import Recipe, read_recipe
from sweep.config.study_config import read_study
from sweep.config.study_parts import ResourcesConfig

WORTH = 1.1
"""More processes are better when together they do at least so many times the steps."""
NOISE = 1.25
"""So many times what cannot be exceeded is still put down to noise."""


class GpuSharingError(UserError):
    """Nothing can be recommended: not even one unit ran."""


@dataclass(frozen=True)
class Measurement:
    """What some processes did together, each training one unit with `threads` threads; memory is in bytes.

    `steps_per_second`: of all, over whole epochs at whose end each is scored and saves its checkpoint, of
    `checkpoint_bytes`; all that save at the same time take `checkpoint_seconds`. `training_steps_per_second`: without
    checkpoints. On CUDA `peak` is what the tensors of one process took, or with a captured step, whose memory is not
    that of tensors, what PyTorch held of the device; `left` is what the device could still give. On the CPU they are
    resident memory and what the machine could. `why_plain`: why steps were not replayed from a CUDA graph, where that
    was asked for. `problem`: why the processes did not fit; then there are no figures. `doubt`: why the figures cannot
    be true; then nothing is to be recommended.
    """

    processes: int
    threads: int
    steps_per_second: float = 0.0
    training_steps_per_second: float = 0.0
    peak: int = 0
    left: int = 0
    checkpoint_seconds: float = 0.0
    checkpoint_bytes: int = 0
    why_plain: str | None = None
    problem: str | None = None
    doubt: str | None = None


@dataclass(frozen=True)
class Sharing:
    """Measurements of one recipe on one device, of rising numbers of processes.

    `recipe` is the recipe or study file; without `data` the processes trained on noise. `device` is `cuda` or `cpu`,
    `cores` the CPU cores that fall to the device; each process trained for `seconds` or more, in epochs of `steps`.
    `advice`: lines about the device's mode, slices (MIG) and MPS. `cuda_graphs`: whether steps were to be replayed from
    a CUDA graph, as `resources.cuda_graphs` of the study file says.
    """

    recipe: Path
    data: Path | None
    device: str
    device_name: str
    cores: int
    seconds: float
    steps: int
    measurements: Sequence[Measurement]
    advice: Sequence[str] = ()
    cuda_graphs: bool = False


def recipe_to_share_a_gpu(path: Path) -> tuple[Recipe, ResourcesConfig]:
    """Read the recipe in a file, and the resources with which it trains.

    Of a study file the recipe is the first enqueued point, or else the fixed settings; a recipe file has the resources
    that a study has by itself. Raises ConfigError naming file, field and what would be right.
    """
    if "search" not in read_yaml(path):
        return read_recipe(path), ResourcesConfig()
    study = read_study(path)
    recipe = study.space.recipe(study.space.active(study.enqueue[0]) if study.enqueue else {})
    return recipe, study.resources


def measurements(measure: Callable[[int, int], Measurement], cores: int) -> list[Measurement]:
    """Call `measure(processes, threads)` for 1, 2, 4, ... processes that share `cores`, until more do not pay.

    When a number does not fit in memory, numbers between are tried too. N processes do at most n times the steps of one
    that is alone with as many threads as each of them. Where more was measured, something else kept the machine busy, or
    one process is slower for more threads: one is measured again, with all cores, then with as many threads, and the
    fastest counts. If that explains nothing, the measurement has a `doubt`, and is the last.
    """
    done: list[Measurement] = []
    while (processes := next_count(done, cores)) is not None:
        several = measure(processes, cores // processes)
        done.append(several)
        for threads in (cores, several.threads):
            if _is_too_fast(several, done[0]):
                done[0] = _faster(done[0], measure(1, threads))
        if _is_too_fast(several, done[0]):
            done[-1] = replace(several, doubt=_doubt(several, done[0]))
    return done


def _is_too_fast(several: Measurement, one: Measurement) -> bool:
    """Whether several processes did more steps than so many that are alone could."""
    return several.steps_per_second > NOISE * several.processes * one.steps_per_second


def _faster(one: Measurement, again: Measurement) -> Measurement:
    return max(one, again, key=lambda measured: measured.steps_per_second)


def _doubt(several: Measurement, one: Measurement) -> str:
    return (
        f"{several.steps_per_second / one.steps_per_second:.3g} times the steps of one cannot be, also after one was "
        "measured again; something else kept this machine busy: let nothing else run, and measure again"
    )


def next_count(done: Sequence[Measurement], most: int) -> int | None:
    """Decide how many processes to measure next, at most `most`; None when the best is known, or figures in doubt."""
    if not done:
        return 1
    if done[-1].doubt is not None:
        return None
    fitting = [one for one in done if one.problem is None]
    if not fitting or best_sharing(done) is not fitting[-1]:
        return None
    largest = fitting[-1].processes
    too_many = min((one.processes for one in done if one.problem is not None), default=None)
    following = min(2 * largest if too_many is None else (largest + too_many) // 2, most)
    return following if following > largest else None


def best_sharing(done: Sequence[Measurement]) -> Measurement:
    """Choose the fewest processes, unless more did at least `WORTH` times the steps.

    Raises GpuSharingError when no number of processes fitted.
    """
    best = None
    for one in sorted(done, key=lambda one: one.processes):
        if one.problem is None and (best is None or one.steps_per_second >= WORTH * best.steps_per_second):
            best = one
    if best is None:
        raise GpuSharingError(
            f"not even one unit of this recipe fits: {done[0].problem}; lower its batch_size"
        )
    return best


def recommended(best: Measurement, device: str) -> ResourcesConfig:
    """Write the `resources` of a study that runs so many units on each GPU, or on a machine without a GPU."""
    if device == "cuda":
        # Rounded down, or the last unit would find no room.
        return ResourcesConfig(cpu=best.threads, gpu=math.floor(1e4 / best.processes) / 1e4)
    return ResourcesConfig(cpu=best.threads, concurrent=best.processes)
