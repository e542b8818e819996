"""Threads and the compile cache of the CPU engine."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from model.selective_scan import numba_cpu, numba_kernels, selective_scan

ROOT = Path(__file__).parents[3]

KERNEL = """
from numba import njit

@njit(cache=True)
def double(start, stop, parts, x, y):
    for i in range(start, stop):
        y[i] = 2 * x[i]
"""
RUN = """
import sys, numpy
from doubling import double
from model.selective_scan.numba_cpu import _run

for dtype in sys.argv[1:]:
    y = numpy.zeros(3, dtype)
    _run(double, 3, numpy.arange(3, dtype=dtype), y)
    assert y.tolist() == [0, 2, 4], y
"""


def test_processes_that_start_together_share_one_compile_cache(tmp_path: Path) -> None:
    (tmp_path / "doubling.py").write_text(KERNEL)
    environment = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
    # In opposite orders, so that processes add different entries to the cache at the same time.
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", RUN, *dtypes], env=environment, stderr=subprocess.PIPE, text=True
        )
        for dtypes in [("float32", "float64"), ("float64", "float32")]
    ]
    for process in processes:
        _, errors = process.communicate()
        assert process.returncode == 0, errors
    compiled = list(tmp_path.rglob("*.nbc"))
    assert len(compiled) == 2  # one for each dtype, and not for each process


@pytest.mark.parametrize("threads", [1, 2, 3, 5])
@pytest.mark.parametrize("tasks", [1, 4, 6])
def test_every_thread_gets_the_same_number_of_pieces(tasks: int, threads: int) -> None:
    torch.set_num_threads(threads)
    assert tasks * numba_cpu._parts(tasks) % threads == 0


def test_the_number_of_threads_is_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges = []

    def kernel(start: int, stop: int, *arguments: object) -> None:
        ranges.append((start, stop))

    monkeypatch.setattr(numba_cpu, "_compile_once", lambda *arguments: None)
    torch.set_num_threads(3)
    numba_cpu._run(kernel, 4, torch.zeros(1).numpy())
    assert sorted(ranges) == [(0, 4), (4, 8), (8, 12)]


def test_an_error_in_another_thread_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    def kernel(start: int, stop: int, *arguments: object) -> None:
        if start:
            raise MemoryError

    monkeypatch.setattr(numba_cpu, "_compile_once", lambda *arguments: None)
    torch.set_num_threads(2)
    with pytest.raises(MemoryError):
        numba_cpu._run(kernel, 2, torch.zeros(1).numpy())


def test_a_forked_child_makes_its_own_threads() -> None:
    torch.set_num_threads(2)
    ones = torch.ones(2, 2, 5)
    B = torch.ones(2, 1, 1, 5)
    scan = (ones, ones, torch.zeros(2, 1), B, B)
    selective_scan(*scan)
    child = os.fork()
    if child == 0:
        os._exit(0 if selective_scan(*scan)[0, 0, -1] == 5 else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_second_derivatives_are_refused() -> None:
    u = torch.ones(1, 1, 3, requires_grad=True)
    B = torch.ones(1, 1, 1, 3)
    y = selective_scan(u, u, torch.zeros(1, 1), B, B, engine="numba")
    (gradient,) = torch.autograd.grad(y.square().sum(), u, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


@pytest.mark.parametrize("name", ["_exp", "_softplus", "_logistic"])
def test_functions_for_compiled_code_say_so_when_called_from_python(name: str) -> None:
    with pytest.raises(NotImplementedError, match="compiled code only"):
        getattr(numba_kernels, name)(1.0)
