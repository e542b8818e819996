"""How busy a study keeps many real workers: units that sleep where others train, through Ray and all of the engine.

One study, so that its workers start once. Before the units of each length all workers meet.
"""

from __future__ import annotations

import logging
import statistics
import tempfile
import time
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import bench
from cluster_sleeper import Sleeper
from engine_cost import study_config, study_in

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.ray_connection import stop_ray
from sweep.execution.ray_environment import prepare_ray
from sweep.execution.slots import Slots
from sweep.execution.tuner import run_units
from sweep.study.units import Configuration

import ray  # isort: skip

LENGTHS = {15.0: 1, 5.0: 2, 2.0: 4, 0.0: 4}
"""Seconds of a unit, and its units in each of the rounds."""
EPOCHS = 4
LEAST = {15.0: 0.95, 5.0: 0.9}
"""Efficiency, by seconds of a unit."""


class Phase(NamedTuple):
    """Units of one length; the meeting before them is a unit on every worker."""

    seconds: float
    meeting: range
    """Numbers of the configurations that meet."""
    units: range


class Stay(NamedTuple):
    """The stay of one unit on a worker; times are seconds since 1970."""

    worker: int
    began: float
    ended: float


def print_lengths(processes: int, rounds: int) -> list[str]:
    """Print the table by length of a unit; returns the bars that were missed."""
    phases = _phases(processes, rounds)
    stays, ticks = _run(phases, processes)
    rows, missed = [], []
    for phase in phases:
        met = max(stays[number].began for number in phase.meeting)
        spent = [stays[number] for number in phase.units]
        wall = max(stay.ended for stay in spent) - met
        efficiency = len(spent) * phase.seconds / processes / wall
        between = _between(spent)
        driver = _busy_at(ticks, met + wall) - _busy_at(ticks, met)
        row: list[object] = [f"{phase.seconds:g}", len(spent), bench.number(wall)]
        row += [f"{100 * efficiency:.1f}" if phase.seconds else ""]
        row += [f"{1e3 * statistics.median(between):.0f} ({1e3 * max(between):.0f})"]
        rows.append([*row, bench.number(1e3 * driver / len(spent)), bench.number(len(spent) / wall)])
        if efficiency < LEAST.get(phase.seconds, 0.0):
            least = 100 * LEAST[phase.seconds]
            missed.append(f"units of {phase.seconds:g} s: {100 * efficiency:.1f} % busy, below {least:.0f} %")
    head = [f"s a unit, {processes} workers", "units", "wall s", "efficiency, %"]
    head += ["ms between two units of a worker: median (most)", "driver's processor, ms a unit"]
    bench.print_table([*head, "units a second"], rows)
    return missed


def _phases(processes: int, rounds: int) -> list[Phase]:
    phases, start = [], 0
    for seconds, often in LENGTHS.items():
        units = start + processes
        end = units + processes * rounds * often
        phases.append(Phase(seconds, range(start, units), range(units, end)))
        start = end
    return phases


def _run(phases: list[Phase], processes: int) -> tuple[list[Stay], list[tuple[float, float]]]:
    """Run the study; returns the stay of each unit, and the driver's processor seconds at many times."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    total = phases[-1].units.stop
    plain = {"sampler": {"name": "random"}, "racing": {"name": "none"}, "pruner": {"name": "none"}}
    config = study_config(total, seeds=[1], **plain)
    ticks: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        coordinator, tracking, journal, _ = study_in(folder, config, EPOCHS)

        def unit_config(configuration: Configuration, seed: int) -> dict[str, Any]:
            number = configuration.number
            phase = next(phase for phase in phases if number < phase.units.stop)
            meeting = folder / f"meeting-{phase.meeting.start}" if number in phase.meeting else ""
            if meeting:
                meeting.mkdir(exist_ok=True)
            return {
                "configuration": number,
                "seed": seed,
                "seconds": 0.0 if meeting else phase.seconds,
                "epochs": 1 if meeting or not phase.seconds else EPOCHS,
                "meeting": str(meeting),
                "processes": processes,
            }

        def tick() -> None:
            ticks.append((time.time(), time.process_time()))

        prepare_ray()
        ray.init(
            num_cpus=processes, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
        )
        try:
            run_units(
                coordinator, ResourcesConfig(), unit_config, folder, tick, Sleeper, Slots(ResourcesConfig())
            )
        finally:
            stop_ray()
        coordinator.stop()
        journal.close()
        tracking.close(300)
    units = [configuration.units[1] for configuration in coordinator.board.configurations]
    return [Stay(*unit.curve[-1]["stay"]) for unit in units], ticks


def _busy_at(ticks: list[tuple[float, float]], at: float) -> float:
    return next(busy for when, busy in reversed(ticks) if when <= at)


def _between(stays: list[Stay]) -> list[float]:
    """List the seconds from the end of a unit to the beginning of the next unit on its worker."""
    workers: dict[int, list[Stay]] = defaultdict(list)
    for stay in sorted(stays, key=lambda stay: stay.began):
        workers[stay.worker].append(stay)
    return [b.began - a.ended for those in workers.values() for a, b in pairwise(those)]
