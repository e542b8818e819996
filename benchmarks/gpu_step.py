"""The section of `benchmarks/gpu_check.py` about training steps: host and device apart, beside the published way.

Bars are for one H100, bf16 and batch 16.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial

import bench
import torch
from gpu_found import Found
from step_check import check_same_maths
from step_setups import Ours, Plain, Setup, published_scan

MOST_MS = {"small": 60.0, "medium": 95.0}
"""Of a dual-axis step at batch 16."""
LEAST_OF_PUBLISHED = 3.0


def steps(device: torch.device) -> Found:
    """Time dual-axis and plain steps, host and device apart, beside the published way; look for waits inside a step."""
    cuda = device.type == "cuda"
    print(f"  beside the plain definition: {check_same_maths(device.type)}")
    sizes = (("small", 16), ("medium", 16)) if cuda else (("small", 2),)
    rows, missed, lines = [], [], []
    for variant, batch in sizes:
        setup = Setup(variant, batch, 1024 if cuda else 32, device.type, torch.bfloat16 if cuda else None)
        ours = Ours(setup)
        timed: dict[str, Callable[[], object]] = {
            "dual-axis": partial(ours.step, "reference"),
            "plain": ours.forward_backward,
        }
        way, _why = published_scan()
        if cuda:
            timed["published way"] = Plain(setup._replace(autocast=torch.float16, scan=way)).step
        times = bench.time_in_turn(timed, 5 if cuda else 1, device, 2 if cuda else 1)
        for name, action in timed.items():
            host, peak, waits = _host(action) if cuda else (0.0, 0, 0)
            row = (
                f"{variant}, {name}",
                times[name].cell("ms"),
                bench.number(host),
                f"{peak / 2**30:.1f}",
                waits,
            )
            rows.append(row)
            if cuda and name == "dual-axis":
                milliseconds = 1e3 * times[name].median
                lines.append(f"{variant} {milliseconds:.0f} ms")
                missed += _step_bars(variant, milliseconds, host, waits)
        if cuda:
            faster = bench.ratio(times["published way"], times["dual-axis"])
            lines.append(f"{faster:.1f} times the published way")
            if faster < LEAST_OF_PUBLISHED:
                missed.append(
                    f"{variant}: {faster:.2f} times as fast as the published way, below {LEAST_OF_PUBLISHED}"
                )
            _print_kernels(timed["dual-axis"])
        del ours, timed
    bench.print_table(("step", "ms", "host alone, ms", "peak, GiB", "waits for the device"), rows)
    return Found(", ".join(lines) or f"{len(rows)} steps", tuple(missed))


def _step_bars(variant: str, milliseconds: float, host: float, waits: int) -> Iterator[str]:
    if milliseconds > MOST_MS[variant]:
        yield f"{variant}: {milliseconds:.0f} ms a dual-axis step, above {MOST_MS[variant]:.0f}"
    if host > milliseconds:
        yield f"{variant}: the host takes {host:.0f} ms for a step, the device {milliseconds:.0f}"
    if waits:
        yield f"{variant}: {waits} waits for the device inside a step"


def _host(action: Callable[[], object]) -> tuple[float, int, int]:
    """Measure milliseconds until the host is done with a step, peak bytes, and count waits for the device."""
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    begun = time.perf_counter()
    action()
    host = 1e3 * (time.perf_counter() - begun)
    torch.cuda.synchronize()
    peak = torch.cuda.max_memory_allocated()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            action()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return host, peak, sum("synchroniz" in str(warning.message) for warning in seen)


def _print_kernels(action: Callable[[], object]) -> None:
    """Print the kernels of a step that take longest, and how many the host starts."""
    from torch.profiler import ProfilerActivity, profile

    with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as profiled:
        action()
        torch.cuda.synchronize()
    averages = profiled.key_averages()
    launches = sum(event.count for event in averages if "LaunchKernel" in event.key)
    print(averages.table(sort_by="self_cuda_time_total", row_limit=25, max_name_column_width=60))
    print(f"  kernels started by the host: {launches}")
