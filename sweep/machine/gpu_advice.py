"""What to know before units share a GPU: slices (MIG), a mode that lets one process in, and whether MPS runs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from data.quantities import counted, gibibytes
from sweep.worker.gpu_facts import GpuFacts, GpuSlice


def gpu_advice(gpus: Sequence[GpuFacts], mps: bool) -> list[str]:
    """Say in a line for each thing what it means for units that share GPUs; nothing where units have none.

    `gpus`: those that units may use (`sweep.worker.visible_gpus`), with the slices that they may use. `mps`: whether
    NVIDIA's MPS runs.
    """
    lines = [line for gpu in gpus for line in _of_gpu(gpu, mps)]
    if any(gpu.slices is None for gpu in gpus):
        lines.append(
            "MPS runs: kernels of units that share a GPU run at the same time"
            if mps
            else "MPS does not run: kernels of units that share a GPU take turns; nvidia-cuda-mps-control -d starts "
            "it, then measure again"
        )
    return lines


def refusal(gpus: Sequence[GpuFacts], mps: bool) -> str | None:
    """Say why units cannot share the GPUs as these are set now; None when they can, on one of them at least."""
    whole = [gpu for gpu in gpus if gpu.slices is None]
    if not whole or any(gpu.mode == "shared" or (gpu.mode == "exclusive" and mps) for gpu in whole):
        return None
    return next(line for gpu in whole for line in _of_gpu(gpu, mps))


def _of_gpu(gpu: GpuFacts, mps: bool) -> Iterator[str]:
    name = f"GPU {gpu.number} ({gpu.name})"
    if gpu.mode == "prohibited":
        yield f"{name} lets no program in (compute mode prohibited); nvidia-smi -i {gpu.number} -c DEFAULT opens it"
    if gpu.slices is not None:
        if gpu.hidden:
            shown = _sizes(gpu.slices)
            yield f"{name} is cut by MIG; CUDA_VISIBLE_DEVICES shows {shown} of {len(gpu.slices) + gpu.hidden} slices"
        else:
            yield f"{name} is cut by MIG into {_sizes(gpu.slices)}"
        if gpu.slices:
            names = ",".join(part.uuid for part in gpu.slices)
            yield f"for a unit on each slice: CUDA_VISIBLE_DEVICES={names}, and resources.gpu as if each were a GPU"
    elif gpu.mode == "exclusive" and not mps:
        yield (
            f"{name} lets one process in (compute mode exclusive), so that units cannot share it without MPS; "
            f"nvidia-cuda-mps-control -d starts that, or nvidia-smi -i {gpu.number} -c DEFAULT lets all in"
        )


def _sizes(slices: Sequence[GpuSlice]) -> str:
    if not slices:
        return "no slices yet, so that nothing can use it; nvidia-smi mig -cgi makes some"
    sizes = Counter(gibibytes(part.memory) for part in slices)
    return ", ".join(f"{counted(number, 'slice')} of {size}" for size, number in sizes.items())
