"""Shared by the benchmarks: times of several things in turn, their peak memory, what the machine can do, tables.

All times of a table are taken in one run, in rounds, so that whatever else the machine does meets every row alike.
"""

from __future__ import annotations

import datetime
import functools
import math
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

Action = Callable[[], object]


@dataclass(frozen=True)
class Timing:
    """Seconds of one action in every round."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    def cell(self, unit: str = "s") -> str:
        """Write the median, and least to most where there is more than one round."""
        scale = {"s": 1.0, "ms": 1e3}[unit]
        low, middle, high = (number(scale * x) for x in (min(self.seconds), self.median, max(self.seconds)))
        return f"{middle} ({low} to {high})" if len(self.seconds) > 1 else middle


@dataclass(frozen=True)
class Peak:
    """Memory in bytes: the most that a process held during an action, and how much more than before the action."""

    total: int
    extra: int


@dataclass(frozen=True)
class Line:
    """A straight line through points, by least squares, and the share of their variance that it explains."""

    slope: float
    intercept: float
    r_squared: float


def time_in_turn(
    actions: Mapping[str, Action], repeats: int, device: torch.device, warm_up: int = 1
) -> dict[str, Timing]:
    """Time each action in seconds: `repeats` rounds in which each runs once, after `warm_up` uncounted rounds."""
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for round_number in range(-warm_up, repeats):
        for name, action in actions.items():
            spent = _seconds(action, device)
            if round_number >= 0:
                seconds[name].append(spent)
    return {name: Timing(tuple(spent)) for name, spent in seconds.items()}


def ratio(one: Timing, other: Timing) -> float:
    """How many times as long `one` takes: the median over the rounds."""
    return statistics.median(a / b for a, b in zip(one.seconds, other.seconds, strict=True))


def peak_memory(prepare: Callable[..., Action], *arguments: Any, runs: int = 1) -> Peak:
    """Measure the peak while the action that `prepare(*arguments)` returns runs `runs` times, in a process of its own.

    Resident memory of that process, or what torch took from the CUDA device if it took any. `prepare` is a function of
    a module; `prepare` should warm up what is needed once only, such as compiled code.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as process:
        return process.submit(_peak_here, prepare, arguments, runs).result()


def matrix_product(device: torch.device, dtype: torch.dtype = torch.float32) -> tuple[Action, float]:
    """Make a square matrix product, and count its FLOPs, 2 per multiply-add: the best that the device can do."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    return lambda: a @ b, 2.0 * size**3


def copy_rate(device: torch.device, repeats: int = 7) -> float:
    """Measure the bytes a second of copies of 256 MiB, read and written counted; the median."""
    source = torch.ones(2**26, device=device)
    target = torch.zeros_like(source)
    copying = time_in_turn({"": lambda: target.copy_(source)}, repeats, device, 2)[""]
    return 2 * source.nbytes / copying.median


def fit_line(x: Sequence[float], y: Sequence[float]) -> Line:
    """Fit the line y = slope * x + intercept through the points."""
    slope, intercept = np.polyfit(x, y, 1)
    residuals = np.asarray(y) - (slope * np.asarray(x) + intercept)
    return Line(float(slope), float(intercept), float(1 - residuals.var() / np.var(y)))


def growth_exponent(x: Sequence[float], y: Sequence[float]) -> float:
    """e where y grows as x ** e from the first point to the last: 1 is linear, 2 quadratic."""
    return math.log(y[-1] / y[0]) / math.log(x[-1] / x[0])


def print_table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown, after an empty line."""
    lines = [f"| {' | '.join(map(str, cells))} |" for cells in [head, *rows]]
    print("\n" + "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]]), flush=True)


def print_machine(device: torch.device) -> None:
    """Date, machine and versions, as docs/benchmarks.md wants them above a table."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else _processor()
    load = os.getloadavg()[0]
    print(
        f"{datetime.date.today()}, {name}, {torch.get_num_threads()} threads of {os.cpu_count()} cores, "
        f"load {load:.1f} at the start, torch {torch.__version__}",
        flush=True,
    )


def verdict(missed: Sequence[str]) -> int:
    """Print the bars that were missed; returns the exit code, 1 if there are any."""
    print(
        "\n" + ("\n".join(f"missed: {bar}" for bar in missed) if missed else "all bars are met"), flush=True
    )
    return int(bool(missed))


def number(x: float) -> str:
    """Write a number with three significant digits."""
    return f"{x:.0f}" if abs(x) >= 100 else f"{x:.3g}"


def mib(size: int) -> str:
    return f"{size / 2**20:.0f}"


def chosen_device(name: str) -> torch.device:
    """`auto` is CUDA where torch sees it; on the CPU all cores are used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    return torch.device(name)


def _seconds(action: Action, device: torch.device) -> float:
    if device.type != "cuda":
        started = time.perf_counter()
        action()
        return time.perf_counter() - started
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize(device)
    start.record()
    action()
    end.record()
    torch.cuda.synchronize(device)
    return start.elapsed_time(end) / 1e3


def _peak_here(prepare: Callable[..., Action], arguments: tuple[Any, ...], runs: int) -> Peak:
    action = prepare(*arguments)
    if torch.cuda.is_available() and torch.cuda.memory_allocated():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        for _ in range(runs):
            action()
        torch.cuda.synchronize()
        peak = torch.cuda.max_memory_allocated()
    else:
        before = memory("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")  # forgets the peak so far
        for _ in range(runs):
            action()
        # Not ru_maxrss: a process inherits that of the one which started it.
        peak = memory("VmHWM")
    return Peak(peak, peak - before)


def memory(field: str) -> int:
    """Read a size of this process, in bytes: VmRSS, VmHWM, VmSize."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


@functools.cache
def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
