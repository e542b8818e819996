"""What a training step of a planned study takes here, beside the units that share its GPU."""

from __future__ import annotations

from typing import TYPE_CHECKING

from model.out_of_memory import is_out_of_memory
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.worker.unit_config import CHUNKS

if TYPE_CHECKING:
    from sweep.machine.step_times import StepTimes


def time_planned_steps(
    recipe: Recipe, resources: ResourcesConfig, workers: int, warnings: list[str]
) -> StepTimes | None:
    """Time steps of a recipe on the device that a unit gets, beside the units that it shares a GPU with.

    None, and a warning, where they cannot be timed; those of one unit alone, and a warning, where they cannot share.
    """
    from sweep.machine.gpu_advice import refusal
    from sweep.machine.gpu_sharing import GpuSharingError
    from sweep.machine.step_times import can_time, time_shared_steps, time_steps
    from sweep.worker.gpu_facts import gpu_facts, mps_runs
    from sweep.worker.visible_gpus import visible_gpus

    device = "cuda" if resources.gpu else "cpu"
    if not can_time(device):
        warnings.append("no step was timed: units train on a GPU, and this machine has none")
        return None
    if recipe.frozen.encoder:
        warnings.append(
            "the encoder's one pass over all cycles is not in these hours: the first worker of a machine makes it while "
            "others wait"
        )
    threads = max(1, int(resources.cpu))
    units = min(workers, units_a_gpu(resources.gpu))
    if units > 1 and (reason := refusal(visible_gpus(gpu_facts()), mps_runs())) is not None:
        warnings.append(reason)
        units = 1
    graphs = resources.cuda_graphs == "auto"
    try:
        try:
            found = time_shared_steps(recipe, device, threads, units, graphs)
        except GpuSharingError as error:
            warnings.append(f"timed with one unit alone: {error}")
            found = time_steps(recipe, device, threads, graphs)
        if found.why_plain is not None:
            warnings.append(
                f"timed without a CUDA graph, for which resources.cuda_graphs asks: {found.why_plain}"
            )
        return found
    except Exception as error:
        if not is_out_of_memory(error):
            raise
    warnings.append(
        f"no step was timed: a batch of {recipe.batch_size} does not fit the memory of this machine; units are then "
        f"trained in {CHUNKS} chunks a batch, more slowly"
    )
    return None


def units_a_gpu(gpu: float) -> int:
    """Count the units that share one GPU, as Ray does in ten-thousandths; 1 where a unit holds a whole one, or none."""
    return 10_000 // round(10_000 * gpu) if 0 < gpu < 1 else 1
