"""The section of `benchmarks/gpu_check.py` about several units on one GPU: side by side, with MPS, through Ray."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import bench
import torch
from gpu_found import Found, NotHereError
from gpu_unit import small_recipe

ROOT = Path(__file__).parents[1]
LEAST_OF_PACKING = 1.5


def sharing(device: torch.device) -> Found:
    """Time one unit and four beside each other on one GPU, without and with NVIDIA's MPS; then four through Ray."""
    from sweep.machine.gpu_sharing_processes import Workload, measure

    cuda = device.type == "cuda"
    recipe = small_recipe("small" if cuda else "tiny", 256 if cuda else 32, epochs=1)
    work = Workload(recipe, None, device.type, 4 if cuda else 2, 8.0 if cuda else 0.5)
    rows, rates = [], {}
    for name, processes, context in (
        ("one", 1, contextlib.nullcontext()),
        ("four", 4 if cuda else 2, contextlib.nullcontext()),
        ("four, MPS", 4, mps() if cuda else None),
    ):
        if context is None:
            continue
        try:
            with context:
                found = measure(work, processes, 2 if cuda else 1)
        except NotHereError as reason:
            rows.append((name, processes, str(reason), ""))
            continue
        rates[name] = found.steps_per_second
        rows.append((name, processes, bench.number(found.steps_per_second), found.problem or ""))
    bench.print_table(("units", "processes", "steps a second, together", ""), rows)
    gain = rates["four"] / rates["one"]
    through_ray = _small_sweep(device) if importlib.util.find_spec("ray") else "ray is not here"
    line = f"side by side {gain:.2f} times one; {through_ray}"
    packed = (f"four units do {gain:.2f} times the steps of one, below {LEAST_OF_PACKING}",)
    return Found(line, packed if gain < LEAST_OF_PACKING else ())


@contextlib.contextmanager
def mps() -> Iterator[None]:
    """Run NVIDIA's MPS for this process and what it starts, in folders of its own, and end it."""
    if shutil.which("nvidia-cuda-mps-control") is None:
        raise NotHereError("no nvidia-cuda-mps-control here")
    with tempfile.TemporaryDirectory() as folder:
        names = ("CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY")
        before = {name: os.environ.get(name) for name in names}
        os.environ.update(dict.fromkeys(names, folder))
        try:
            if subprocess.run(["nvidia-cuda-mps-control", "-d"], capture_output=True, timeout=30).returncode:
                raise NotHereError("nvidia-cuda-mps-control does not start")
            try:
                yield
            finally:
                subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", capture_output=True, timeout=30)
        finally:
            for name, value in before.items():
                os.environ.pop(name)
                if value is not None:
                    os.environ[name] = value


def _small_sweep(device: torch.device) -> str:
    """Train four units through the whole product, a quarter of the GPU each; says how long that took.

    Raises AssertionError unless all four have finished.
    """
    from sweep.folder.study_folder import StudyFolder

    settings = [
        "budget.configurations=2",
        "seeds=[1,2]",
        "recipe.epochs=1",
        "racing.name=none",
        "pruner={name: none}",
    ]
    if device.type == "cuda":
        settings += ["resources.gpu=0.25", "resources.cpu=1"]
    words = [word for setting in settings for word in ("--set", setting)]
    with tempfile.TemporaryDirectory() as studies:
        begun = time.perf_counter()
        done = subprocess.run(
            [
                *(sys.executable, "-c", "from sweep.cli import main; main()", "run"),
                *("search_spaces/quickstart.yaml", "--name", "four", "--studies", studies, *words),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
        )
        if done.returncode:
            raise AssertionError(f"the sweep ended with {done.returncode}: {done.stderr[-500:]}")
        seconds = time.perf_counter() - begun
        folder = StudyFolder.at(studies, "four")
        finished = sum(unit.state == "finished" for unit in folder.board().units()) if folder.exists else 0
        assert finished == 4, f"{finished} of 4 units have finished: {done.stdout[-500:]}"
        return f"four units through Ray in {seconds:.0f} s"
