"""What a unit costs the driver as Ray Tune's trials become many: Tune keeps every trial that it ever ran."""

from __future__ import annotations

import logging
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import bench
from cluster_sleeper import Sleeper
from cluster_study import JOURNAL, Watch
from engine_cost import study_config

from sweep.config.study_parts import ResourcesConfig
from sweep.execution.ray_connection import stop_ray
from sweep.execution.ray_environment import prepare_ray
from sweep.execution.slots import Slots
from sweep.execution.tuner import run_units
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_search import OptunaSearch
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.journal import Journal
from sweep.study.units import Configuration

import ray  # isort: skip

WINDOWS = 8


class Mark(NamedTuple):
    """Seconds at the end of a unit: on the wall, of the driver's processor, and of the engine's part in these."""

    wall: float
    busy: float
    engine: float


def print_trials(units: int, workers: int, reports: int) -> list[str]:
    """Print the table by number of trials so far; returns the bars that were missed."""
    marks = _run(units, workers, reports)
    size = units // WINDOWS
    rows, costs = [], []
    for end in range(size, units + 1, size):
        first, last = marks[max(end - size - 1, 0)], marks[end - 1]
        busy, engine = (1e3 * (last[i] - first[i]) / size for i in (1, 2))
        costs.append(busy)
        row = [end, bench.number(size / (last.wall - first.wall))]
        rows.append([*row, *map(bench.number, (busy, engine, busy - engine))])
    head = [
        f"units of {reports} reports so far, {workers} workers",
        "units a second",
        "driver's processor, ms a unit",
    ]
    bench.print_table([*head, "of it board, race, Optuna, journal", "of it Ray and Ray Tune"], rows)
    growth = costs[-1] / costs[0]
    return [f"ms a unit grow {growth:.1f}-fold, faster than the study"] if growth > WINDOWS else []


def _run(units: int, workers: int, reports: int) -> list[Mark]:
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    plain = {"sampler": {"name": "random"}, "racing": {"name": "none"}, "pruner": {"name": "none"}}
    config = study_config(units, seeds=[1], **plain)
    watch, marks = Watch(), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        journal = Journal(folder / JOURNAL)
        coordinator: Any = Coordinator(
            Board(),
            OptunaSearch(config),
            EpochPruner(config.pruner, lambda values: reports, "trials"),
            Budget(config.budget, config.racing, gpus=0, slots=workers, epochs=lambda values: reports),
            Rules(config.racing),
            [journal.write],
        )
        coordinator.start(config.seeds)
        for method in ("next_unit", "place", "report", "finished"):
            setattr(coordinator, method, watch.over("engine", getattr(coordinator, method)))
        finished = coordinator.finished

        def finish(*unit: Any) -> None:
            finished(*unit)
            marks.append(Mark(time.perf_counter(), time.process_time(), watch.whole.parts["engine"]))

        coordinator.finished = finish

        def unit_config(configuration: Configuration, seed: int) -> dict[str, Any]:
            own = {"configuration": configuration.number, "seed": seed}
            return {**own, "seconds": 0.0, "epochs": reports, "meeting": "", "processes": workers}

        unit = ResourcesConfig()
        prepare_ray()
        ray.init(num_cpus=workers, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        try:
            run_units(coordinator, unit, unit_config, folder, lambda: None, Sleeper, Slots(unit))
        finally:
            stop_ray()
        coordinator.stop()
        journal.close()
    return marks
