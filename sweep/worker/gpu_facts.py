"""What NVIDIA's driver says of this machine's GPUs: who may use them, and into which slices they are cut; and of MPS."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

MPS_PIPES = "/tmp/nvidia-mps"
"""Where MPS is met unless CUDA_MPS_PIPE_DIRECTORY says otherwise."""
MPS_PROCESS = "nvidia-cuda-mps"
"""As much as Linux keeps of the name of MPS's control daemon and of its server."""

Mode = Literal["shared", "exclusive", "prohibited"]


@dataclass(frozen=True)
class GpuSlice:
    """A part of a GPU (MIG), which CUDA shows as a GPU of its own to who names `uuid`. `memory`: in bytes."""

    uuid: str
    name: str
    memory: int


@dataclass(frozen=True)
class GpuFacts:
    """A GPU by its number in NVML, which is not always CUDA's. `memory`: in bytes.

    `mode`: whether several processes may use it (`shared`), one (`exclusive`), or none. `slices`: of a GPU that is cut
    (MIG), which may have none yet; None of one that is not. `hidden`: how many it has beside these, which are not for
    programs that are started here.
    """

    number: int
    name: str
    memory: int
    mode: Mode
    slices: tuple[GpuSlice, ...] | None
    uuid: str = ""
    hidden: int = 0


def gpu_facts(nvml: Any = None) -> list[GpuFacts]:
    """Ask the driver for all GPUs of this machine; none where there is no driver, or it does not answer.

    `nvml`: NVIDIA's bindings (nvidia-ml-py), by default the copy that Ray brings along.
    """
    nvml = nvml or rays_nvml()
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        return [_facts(nvml, number) for number in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return []
    finally:
        with contextlib.suppress(nvml.NVMLError):
            nvml.nvmlShutdown()


def rays_nvml() -> Any:
    """Load Ray's copy of NVIDIA's bindings without Ray, which reads its environment when it is imported."""
    ray = importlib.util.find_spec("ray")
    assert ray is not None
    assert ray.submodule_search_locations
    place = Path(ray.submodule_search_locations[0]) / "_private" / "thirdparty" / "pynvml" / "pynvml.py"
    spec = importlib.util.spec_from_file_location("pynvml_of_ray", place)
    assert spec is not None
    assert spec.loader is not None
    nvml = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(nvml)
    return nvml


def mps_runs(processes: Path = Path("/proc")) -> bool:
    """Whether NVIDIA's MPS is there for programs that this process starts; one outside of a container is not seen.

    Its pipes alone do not say so: they stay when it is killed.
    """
    pipes = Path(os.environ.get("CUDA_MPS_PIPE_DIRECTORY") or MPS_PIPES)
    return (pipes / "control").exists() and MPS_PROCESS in _names(processes)


def _names(processes: Path) -> Iterator[str]:
    for place in processes.glob("[0-9]*/comm"):
        with contextlib.suppress(OSError):
            yield place.read_text().strip()


def _facts(nvml: Any, number: int) -> GpuFacts:
    handle = nvml.nvmlDeviceGetHandleByIndex(number)
    return GpuFacts(
        number,
        _text(nvml.nvmlDeviceGetName(handle)),
        nvml.nvmlDeviceGetMemoryInfo(handle).total,
        _mode(nvml, handle),
        _slices(nvml, handle),
        _text(nvml.nvmlDeviceGetUUID(handle)),
    )


def _mode(nvml: Any, handle: Any) -> Mode:
    try:
        mode = nvml.nvmlDeviceGetComputeMode(handle)
    except nvml.NVMLError:
        return "shared"
    if mode == nvml.NVML_COMPUTEMODE_PROHIBITED:
        return "prohibited"
    one_alone = (nvml.NVML_COMPUTEMODE_EXCLUSIVE_THREAD, nvml.NVML_COMPUTEMODE_EXCLUSIVE_PROCESS)
    return "exclusive" if mode in one_alone else "shared"


def _slices(nvml: Any, handle: Any) -> tuple[GpuSlice, ...] | None:
    try:
        current, _after_a_reset = nvml.nvmlDeviceGetMigMode(handle)
        if current != nvml.NVML_DEVICE_MIG_ENABLE:
            return None
        most = nvml.nvmlDeviceGetMaxMigDeviceCount(handle)
    except nvml.NVMLError:
        # GPUs before Ampere, and most that are not for data centres, do not know MIG.
        return None
    found = []
    for index in range(most):
        with contextlib.suppress(nvml.NVMLError):
            part = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
            memory = nvml.nvmlDeviceGetMemoryInfo(part).total
            found.append(
                GpuSlice(_text(nvml.nvmlDeviceGetUUID(part)), _text(nvml.nvmlDeviceGetName(part)), memory)
            )
    return tuple(found)


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
