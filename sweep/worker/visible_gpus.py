"""Which GPUs, and which slices of them (MIG), programs that are started here may use, as CUDA_VISIBLE_DEVICES says."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sweep.worker.gpu_facts import GpuFacts, GpuSlice

Place = tuple[int, GpuSlice | None]
"""The number of a GPU, and the slice of it that is named; None where the GPU itself is."""


def visible_gpus(gpus: Sequence[GpuFacts], environment: Mapping[str, str] = os.environ) -> list[GpuFacts]:
    """Choose of all GPUs of a machine those that CUDA shows, each with the slices that CUDA_VISIBLE_DEVICES names.

    All of them without that variable. As CUDA does, it is read up to the first entry that names nothing, or several
    things. Numbers are CUDA's, which are NVML's in the order PCI_BUS_ID and where all GPUs are of one kind; elsewhere a
    number may mean any of them, and all are returned.
    """
    named = environment.get("CUDA_VISIBLE_DEVICES")
    if named is None:
        return [*gpus]
    in_order = environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or len({gpu.name for gpu in gpus}) == 1
    places: list[Place] = []
    for entry in (part.strip() for part in named.split(",")):
        if entry.isdecimal() and not in_order:
            return [*gpus]
        found = _named(entry, gpus)
        if len(found) != 1:
            break
        places += found
    return [shown for gpu in gpus if (shown := _shown(gpu, places)) is not None]


def _named(entry: str, gpus: Sequence[GpuFacts]) -> list[Place]:
    """Find what one entry of CUDA_VISIBLE_DEVICES may mean: a number, or the beginning of a UUID."""
    if entry.startswith("MIG-GPU-"):
        # Drivers before 470 name a slice by its GPU and two numbers, which NVML does not tell.
        return [(gpu.number, None) for gpu in gpus if entry.startswith(f"MIG-{gpu.uuid}/")]
    if entry.startswith("MIG-"):
        parts = [(gpu.number, part) for gpu in gpus for part in gpu.slices or ()]
        return [(number, part) for number, part in parts if part.uuid.startswith(entry)]
    if entry.isdecimal():
        return [(gpu.number, None) for gpu in gpus if gpu.number == int(entry)]
    return [(gpu.number, None) for gpu in gpus if entry.startswith("GPU-") and gpu.uuid.startswith(entry)]


def _shown(gpu: GpuFacts, places: Sequence[Place]) -> GpuFacts | None:
    """A GPU with those of its slices that are named; None where nothing of it is."""
    named = [part for number, part in places if number == gpu.number]
    if not named or None in named or gpu.slices is None:
        return gpu if named else None
    kept = tuple(part for part in gpu.slices if part in named)
    return replace(gpu, slices=kept, hidden=len(gpu.slices) - len(kept))
