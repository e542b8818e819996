"""Whether memory or file handles grow while a study of many tiny units runs, with everything on, on real Ray."""

from __future__ import annotations

import itertools
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import engine_cost
from engine_cost import run_in, study_config, study_in
from processes import family
from ray import cloudpickle

from sweep.execution.ray_connection import start_ray, stop_ray
from sweep.study.events import Event, UnitEnded

EVERY, WARM_SHARE, BLOCKS = 10, 0.25, 8
"""Units between two samples; share of the units that is left out at the beginning; blocks of which means are taken."""
MOST_MB = {"driver": 45.0, "writer": 10.0, "worker": 10.0}
"""The bars for memory, a 1,000 units. The driver keeps every unit: 29 MB are Ray Tune's trials, which it keeps without
us as well, 10 MB are the board and Optuna's trials; both measured alone. The writer has a board, too."""
MOST_HANDLES = 1.0


@dataclass(frozen=True)
class Sample:
    units: int
    at: float
    memory_mb: dict[str, float]
    handles: dict[str, float]


@dataclass(frozen=True)
class Slope:
    """Growth a 1,000 units, and its standard error."""

    mean: float
    error: float

    def __str__(self) -> str:
        return f"{self.mean:+.2f} ± {2 * self.error:.2f}"


def main(units: int) -> int:
    """Print a table of what grew; returns 1 when a bar is missed, else 0."""
    samples = run(units)
    warm = [sample for sample in samples if sample.units >= WARM_SHARE * units]
    print(
        f"{samples[-1].units} units; growth a 1,000 units from unit {warm[0].units} on, ± two standard errors\n"
    )
    print(
        "| process | MB then | MB at the end | MB a 1,000 units | handles then | handles at the end | handles a 1,000 |"
    )
    print("|---|---|---|---|---|---|---|")
    missed = []
    for process, most_mb in MOST_MB.items():
        memory = slope([(sample.units, sample.memory_mb[process]) for sample in warm])
        handles = slope([(sample.units, sample.handles[process]) for sample in warm])
        first, last = warm[0], warm[-1]
        print(
            f"| {process} | {first.memory_mb[process]:.0f} | {last.memory_mb[process]:.0f} | {memory} | "
            f"{first.handles[process]:.0f} | {last.handles[process]:.0f} | {handles} |"
        )
        for what, one, most in (("MB", memory, most_mb), ("handles", handles, MOST_HANDLES)):
            if one.mean - 2 * one.error > most:
                missed.append(f"{process}: {one.mean:.1f} {what} a 1,000 units, more than {most:g}")
    quarters = [samples[round(share * (len(samples) - 1) / 4)] for share in range(5)]
    paces = [
        (later.units - sooner.units) / (later.at - sooner.at)
        for sooner, later in itertools.pairwise(quarters)
    ]
    print(f"\nunits a second, by quarters: {', '.join(f'{pace:.1f}' for pace in paces)}")
    print("\n" + ("\n".join(missed) if missed else "all bars are met"))
    return int(bool(missed))


def run(units: int) -> list[Sample]:
    """Run a study of `units` units of one report, two at a time, and look at its processes now and then."""
    cloudpickle.register_pickle_by_value(sys.modules[engine_cost.__name__])
    samples: list[Sample] = []
    ended, writer = 0, 0

    def look(event: Event) -> None:
        nonlocal ended
        if isinstance(event, UnitEnded):
            ended += 1
            if ended % EVERY == 0:
                samples.append(sample(ended, writer))

    start_ray("local")
    try:
        with tempfile.TemporaryDirectory() as name:
            config = study_config(units, budget={"units": units})
            coordinator, tracking, journal, _ = study_in(Path(name), config, 1, look)
            writer = tracking.pid
            run_in(Path(name), coordinator)
            coordinator.stop()
            journal.close()
            started = time.perf_counter()
            tracking.close(600)
            print(f"  MLflow had everything {time.perf_counter() - started:.1f} s after the last unit")
    finally:
        stop_ray()
    return samples


def sample(units: int, writer: int) -> Sample:
    """Look at driver and writer, and at the mean of the workers."""
    uses = family()
    groups = {
        "driver": [use for use in uses if use.pid == os.getpid()],
        "writer": [use for use in uses if use.pid == writer],
        "worker": [use for use in uses if use.name.startswith("ray::Only")],
    }
    return Sample(
        units,
        time.perf_counter(),
        {name: statistics.fmean(use.memory_mb for use in group) for name, group in groups.items()},
        {name: statistics.fmean(use.handles for use in group) for name, group in groups.items()},
    )


def slope(points: Sequence[tuple[int, float]]) -> Slope:
    """Fit a line through the means of `BLOCKS` blocks: neighbours are alike, and single points would say too much."""
    size = len(points) // BLOCKS
    blocks = [points[first : first + size] for first in range(0, size * BLOCKS, size)]
    x = [statistics.fmean(units for units, _ in block) / 1000 for block in blocks]
    y = [statistics.fmean(value for _, value in block) for block in blocks]
    line = statistics.linear_regression(x, y)
    rest = sum((b - line.intercept - line.slope * a) ** 2 for a, b in zip(x, y, strict=True))
    spread = sum((a - statistics.fmean(x)) ** 2 for a in x)
    return Slope(line.slope, (rest / (BLOCKS - 2) / spread) ** 0.5)
