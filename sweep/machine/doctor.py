"""What works on this machine: torch and its devices, the scan engines, the packages, the folders."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import sys
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import torch
from packaging.requirements import Requirement

from data.quantities import gibibytes
from model.layer_norm_check import TOLERANCE as MOST_OF_A_NORM
from model.layer_norm_check import norm_error
from model.selective_scan import available_engines, choose_engine, runs_triton
from model.selective_scan.self_test import TOLERANCE, scan_error
from sweep.machine.gpu_advice import gpu_advice
from sweep.storage.cache_folder import cache_folder
from sweep.storage.conditional_writes import probe
from sweep.storage.open_storage import is_uri, open_object_store
from sweep.storage.storage import StorageError
from sweep.worker.gpu_facts import gpu_facts, mps_runs
from sweep.worker.visible_gpus import visible_gpus

BUILD_MAMBA = (
    "MAMBA_FORCE_BUILD=TRUE .venv/bin/pip install --no-build-isolation mamba-ssm==2.3.2.post1"
    "  (an option; first read docs/machine.md)"
)


@dataclass(frozen=True)
class Check:
    """One row: what was looked at, what was found, and whether something that is needed does not work."""

    what: str
    found: str
    broken: bool = False


def examine(studies: str) -> list[Check]:
    """Try everything that a study needs of this machine; returns a row for each thing."""
    return [
        Check("Python", f"{platform.python_version()}, {sys.executable}"),
        Check("torch", f"{torch.__version__}, built for {_built_for()}"),
        *_devices(),
        *_engines(),
        *_norms(),
        *_packages(),
        _folder("feature cache", cache_folder()),
        _store(studies) if is_uri(studies) else _folder("studies", Path(studies)),
    ]


def _built_for() -> str:
    return f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU only"


def _devices() -> Iterator[Check]:
    cores, threads = len(os.sched_getaffinity(0)), torch.get_num_threads()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield Check("CPU", f"{cores} of {os.cpu_count()} cores, {threads} threads, {gibibytes(memory)} of memory")
    if not torch.cuda.is_available():
        driver = Path("/proc/driver/nvidia/version").exists()
        hint = (
            ", though there is an NVIDIA driver: look at CUDA_VISIBLE_DEVICES and at what torch was built for"
        )
        yield Check("GPU", "no CUDA device" + hint * driver)
    for index in range(torch.cuda.device_count()):
        try:
            yield Check(f"GPU {index}", _device(index))
        except RuntimeError as error:
            yield Check(f"GPU {index}", _explain(error), broken=True)
    if (gpus := visible_gpus(gpu_facts())) and (advice := gpu_advice(gpus, mps_runs())):
        yield Check("to share GPUs", "; ".join(advice))


def _device(index: int) -> str:
    properties = torch.cuda.get_device_properties(index)
    free, total = torch.cuda.mem_get_info(index)
    # A build of torch without code for this device only fails when it is used.
    ones = torch.ones(64, 64, device=f"cuda:{index}")
    if (ones @ ones).sum().item() != 64**3:
        raise RuntimeError("a product of matrices of ones came out wrong")
    return (
        f"{properties.name}, {gibibytes(total)}, {gibibytes(free)} free, "
        f"compute capability {properties.major}.{properties.minor}"
    )


def _engines() -> Iterator[Check]:
    devices = _torch_devices()
    for engine, reason in available_engines().items():
        checks = [_engine(engine, device) for device in devices if _runs_on(engine, device)]
        if checks:
            yield Check(
                f"scan {engine}", "; ".join(found for found, _ in checks), any(broken for _, broken in checks)
            )
        else:
            yield Check(f"scan {engine}", f"not here: {reason or 'it needs a device that is not here'}")
    if importlib.util.find_spec("mamba_ssm") is None:
        yield Check("to build mamba-ssm", BUILD_MAMBA)
    for device in devices:
        chosen = choose_engine("auto", device)
        slow = chosen == "reference"
        found = f"{chosen}: the definition, step by step, which is far too slow" if slow else chosen
        yield Check(f"scan used on {device.type}", found, broken=slow)


def _runs_on(engine: str, device: torch.device) -> bool:
    try:
        return choose_engine(engine, device) == engine
    except ValueError:
        return False


def _engine(engine: str, device: torch.device) -> tuple[str, bool]:
    """Try an engine that should work on `device`; returns what to say of it, and whether it is broken."""
    try:
        error = scan_error(engine, device)
    except Exception as problem:
        return f"fails on {device.type}: {_explain(problem)}", True
    if not error <= TOLERANCE:
        return f"wrong on {device.type}: largest relative error {error:.1e}, {TOLERANCE:g} may be", True
    return f"works on {device.type}, largest relative error {error:.0e}", False


def _norms() -> Iterator[Check]:
    """Try our kernels of the layer norm where scans run by Triton; elsewhere the norms are torch's."""
    for device in _torch_devices():
        if not runs_triton("triton", device):
            continue
        what = f"layer norm on {device.type}"
        try:
            error = norm_error(device)
        except Exception as problem:
            yield Check(what, f"fails: {_explain(problem)}", broken=True)
            continue
        if error <= MOST_OF_A_NORM:
            yield Check(what, f"our kernels work, largest relative error {error:.0e} in bfloat16")
        else:
            wrong = f"wrong: largest relative error {error:.1e}, {MOST_OF_A_NORM:g} may be; until that is repaired "
            yield Check(what, f"{wrong}train with backbone.scan_engine: reference or mamba", broken=True)


def _torch_devices() -> list[torch.device]:
    return [torch.device("cpu")] + [torch.device("cuda")] * torch.cuda.is_available()


def _packages() -> Iterator[Check]:
    """Compare installed packages with what the project asks for: a row for all that fit, one for each that does not."""
    try:
        asked = [Requirement(line) for line in metadata.requires("respsweep") or []]
    except metadata.PackageNotFoundError:
        yield Check("packages", "respsweep is not installed; run make .venv/ready in its folder", broken=True)
        return
    fitting = []
    for requirement in asked:
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            yield Check(f"package {requirement.name}", f"missing; {requirement} is asked for", broken=True)
            continue
        if requirement.specifier.contains(version, prereleases=True):
            fitting.append(f"{requirement.name} {version}")
        else:
            yield Check(f"package {requirement.name}", f"{version}; {requirement} is asked for", broken=True)
    yield Check("packages", ", ".join(fitting))


def _folder(what: str, folder: Path) -> Check:
    """Try whether files can be written to `folder`, or where it would be made."""
    place = folder.absolute()
    there = next(path for path in (place, *place.parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as file:
            file.write(b"respsweep")
            file.flush()
        free = gibibytes(shutil.disk_usage(there).free)
    except OSError as error:
        return Check(what, f"{there}: {error.strerror}; choose a folder that can be written to", broken=True)
    return Check(what, f"{place}, {free} free" + ("" if there == place else ", not made yet"))


def _store(place: str) -> Check:
    """Try whether files can be written to an object store, and read back."""
    storage, name = open_object_store(place), f".doctor-{uuid.uuid4().hex}"
    try:
        storage.write(name, b"respsweep")
        whole = storage.read(name) == b"respsweep"
        storage.remove(name)
        probe(storage)
    except StorageError as error:
        return Check("studies", str(error), broken=True)
    except OSError as error:
        return Check("studies", f"{storage.place}: {error}", broken=True)
    return Check("studies", f"{storage.place}, written and read back", broken=not whole)


def _explain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
