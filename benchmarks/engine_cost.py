"""What the engine costs beside Ray Tune alone: units per second, and driver time per report as a study grows.

Units only report, so that nothing but the engine and Ray is measured. All figures are of one run on one machine.
"""

from __future__ import annotations

import logging
import os
import resource
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from processes import family
from ray import cloudpickle, tune

from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import ResourcesConfig
from sweep.execution.ray_connection import start_ray, stop_ray
from sweep.execution.slots import Slots
from sweep.execution.tuner import run_units
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_export import OptunaExport
from sweep.search.optuna_search import OptunaSearch
from sweep.study.board import Board
from sweep.study.budget import Budget
from sweep.study.coordinator import Coordinator, Rules
from sweep.study.events import Event, UnitEnded
from sweep.study.journal import Journal
from sweep.study.record import Listener
from sweep.study.units import Configuration
from sweep.tracking.tracker import Tracker, database_uri
from sweep.worker.step_result import Finished, StepResult

SEARCH = {
    "patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5, "log": True},
    "patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0},
    "smoothing.stage": {"type": "categorical", "choices": [None, 0, 1, 2, 3]},
    "smoothing.kernel_size": {"type": "categorical", "choices": [3, 5, 7], "when": "smoothing.stage"},
}


ENGINE = "respsweep: journal, pruner, race, Optuna, MLflow"
LEAST_RATE, MOST_REPORT_MS = 30.0, 2.0
LOOK_EVERY = 8
PARTS: tuple[str, ...] = ("driver", "MLflow", "Ray", "workers")


def main(units: int, configurations: int) -> int:
    """Print both tables; returns 1 when a bar is missed, else 0."""
    print(f"{units} units of one report, 2 at a time; processor time is ms a unit\n")
    print(f"| | units a second | {' | '.join(PARTS)} |\n|---|---|{'---|' * len(PARTS)}")
    paces = paces_of(units)
    for name, pace in paces.items():
        used = " | ".join(f"{pace.processor_ms[part]:.1f}" for part in PARTS)
        print(f"| {name} | {pace.per_second:.1f} | {used} |")
    print(
        "\n| configurations | units | ms a report | ms an end | ms a start |\n|---|---|---|---|---|",
        flush=True,
    )
    rows = driver_milliseconds(configurations)
    for numbers, *times in ((row[:2], *row[2:]) for row in rows):
        print(f"| {numbers[0]} | {numbers[1]} | {' | '.join(f'{time:.2f}' for time in times)} |")
    missed = []
    if paces[ENGINE].per_second < LEAST_RATE:
        missed.append(f"{paces[ENGINE].per_second:.1f} units a second, below {LEAST_RATE}")
    first, last = rows[0], rows[-1]
    if last[2] > MOST_REPORT_MS:
        missed.append(f"{last[2]:.2f} ms a report at {last[0]} configurations, above {MOST_REPORT_MS}")
    for name, before, after in zip(("report", "end", "start"), first[2:], last[2:], strict=True):
        if after / before > last[1] / first[1]:
            missed.append(f"ms for a {name} grow faster than the study: {before:.2f} -> {after:.2f}")
    print("\n" + ("\n".join(missed) if missed else "all bars are met"))
    return int(bool(missed))


def score_of(values: dict[str, Any], seed: int, epoch: int) -> float:
    """Make up a score, a function of configuration and seed."""
    spread = (hash((tuple(sorted(map(str, values.items()))), seed)) % 1000) / 1000
    return 0.5 + 0.1 * spread + 0.01 * epoch


def report_of(epoch: int, score: float) -> dict[str, Any]:
    rates = {"score": score, "sensitivity": score, "specificity": score, "any_abnormal_score": score}
    losses = {"train_loss": 1.0, "cross_entropy": 1.0, "contrast_time": 1.0, "contrast_frequency": 1.0}
    return {"epoch": epoch, **rates, **losses, "learning_rate": 1e-4, "seconds": 1.0}


class OnlyReports(tune.Trainable):
    """A unit of one epoch without any work in it."""

    def setup(self, config: dict[str, Any]) -> None:
        self._config = config

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._config = new_config
        return True

    def step(self) -> dict[str, Any]:
        score = score_of({}, hash(str(self._config)), 1)
        return {**StepResult((report_of(1, score),), Finished(1)).as_tune(), "score": score}


def study_config(configurations: int, **settings: Any) -> StudyConfig:
    content = {"search": SEARCH, "budget": {"configurations": configurations}, **settings}
    return StudyConfig.model_validate(content)


def study_in(
    folder: Path, config: StudyConfig, epochs: int, hear: Listener = lambda event: None
) -> tuple[Coordinator, Tracker, Journal, list[float]]:
    """Build a whole study whose events `hear` hears last, and a list of the seconds that its calls to MLflow take."""
    tracking = Tracker(database_uri(folder), "cost", folder / "artifacts", uuid.uuid4().hex, [], {})
    journal, tracked = Journal(folder / "journal.jsonl"), []

    def track(event: Any) -> None:
        started = time.perf_counter()
        tracking(event)
        tracked.append(time.perf_counter() - started)

    board = Board()
    export = OptunaExport(folder / "optuna.journal", "cost", config, board)
    listeners: list[Listener] = [journal.write, track, export, hear]
    coordinator = Coordinator(
        board,
        OptunaSearch(config),
        EpochPruner(config.pruner, lambda values: epochs, "cost"),
        Budget(config.budget, config.racing, gpus=0, slots=2, epochs=lambda values: epochs),
        Rules(config.racing, config.schedule),
        listeners,
    )
    coordinator.start(config.seeds)
    return coordinator, tracking, journal, tracked


@dataclass(frozen=True)
class Pace:
    """How fast units ran, and what each took of the processor: `PARTS`, in ms."""

    per_second: float
    processor_ms: dict[str, float]


class Meter:
    """Counts units as they end, and what they take from the first one on, so that cold starts are left out."""

    def __init__(self) -> None:
        self.ends: list[float] = []
        self.writer: int | None = None
        """Number of the process that writes to MLflow, if it is one of its own."""
        self._used_by: list[tuple[int, Mapping[str, float]]] = []

    def end_unit(self) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) % LOOK_EVERY == 1:
            self._used_by.append((len(self.ends), self._used()))

    def pace(self) -> Pace:
        # Workers may be gone by now.
        (first, before), (last, after) = self._used_by[0], self._used_by[-1]
        spent = {part: 1e3 * (after[part] - before[part]) / max(1, last - first) for part in PARTS}
        return Pace((len(self.ends) - 1) / (self.ends[-1] - self.ends[0]), spent)

    def _used(self) -> Mapping[str, float]:
        seconds: dict[str, float] = dict.fromkeys(PARTS, 0.0)
        for use in family():
            part = {os.getpid(): "driver", self.writer: "MLflow"}.get(use.pid)
            seconds[part or ("workers" if use.name.startswith("ray::Only") else "Ray")] += use.processor_s
        return seconds


def paces_of(units: int) -> dict[str, Pace]:
    """Ray Tune alone, Ray Tune with its Optuna and MLflow, and the engine; two units at a time."""
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    # Workers look for our packages and in no folder of a script, so the unit goes to them as it is.
    cloudpickle.register_pickle_by_value(sys.modules[OnlyReports.__module__])
    start_ray("local")
    try:
        return {
            "Ray Tune alone, reused actors": _tune_pace(units),
            "Ray Tune alone, fresh actors": _tune_pace(10, reuse=False),
            "Ray Tune + OptunaSearch + MLflowLoggerCallback": _tune_pace(units, extras=True),
            ENGINE: _engine_pace(units),
        }
    finally:
        stop_ray()


def _tune_pace(units: int, *, reuse: bool = True, extras: bool = False) -> Pace:
    from ray.air.integrations.mlflow import MLflowLoggerCallback
    from ray.tune.search.optuna import OptunaSearch as RayOptunaSearch

    with tempfile.TemporaryDirectory() as folder:
        space: dict[str, Any] = {"temperature": tune.loguniform(0.02, 0.5), "beta": tune.uniform(0.2, 2.0)}
        settings: dict[str, Any] = {}
        callbacks: list[Any] = []
        if extras:
            settings["search_alg"] = RayOptunaSearch(metric="score", mode="max")
            callbacks = [
                MLflowLoggerCallback(tracking_uri=database_uri(Path(folder)), experiment_name="plain")
            ]
        completions = _Completions()
        tuner = tune.Tuner(
            tune.with_resources(OnlyReports, {"cpu": 1}),
            param_space=space,
            tune_config=tune.TuneConfig(
                num_samples=units, max_concurrent_trials=2, reuse_actors=reuse, **settings
            ),
            run_config=tune.RunConfig(
                storage_path=folder,
                callbacks=[*callbacks, completions],
                checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
                verbose=0,
            ),
        )
        tuner.fit()
        return completions.meter.pace()


class _Completions(tune.Callback):
    """Hears of trials that end."""

    def __init__(self) -> None:
        self.meter = Meter()

    def on_trial_complete(self, *_: Any, **__: Any) -> None:
        self.meter.end_unit()

    def __getstate__(self) -> dict[str, Any]:
        return {}


def _engine_pace(units: int) -> Pace:
    config = study_config(units // 2)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        meter = Meter()

        def count(event: Event) -> None:
            if isinstance(event, UnitEnded):
                meter.end_unit()

        coordinator, tracking, journal, tracked = study_in(folder, config, 1, count)
        meter.writer = tracking.pid
        run_in(folder, coordinator)
        in_loop, pace = sum(tracked), meter.pace()
        coordinator.stop()
        journal.close()
        started = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        tracking.close()
        rest = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        whole = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        print(
            f"  {coordinator.board.started} units; MLflow: {1e6 * in_loop / len(tracked):.0f} us an event in the "
            f"driver's loop, {rest:.1f} s to write what was queued after the last unit, {whole:.1f} s of processor "
            "from the start of its process to its end"
        )
        return pace


def run_in(folder: Path, coordinator: Coordinator) -> None:
    """Run a study's units on the Ray that was started."""
    unit = ResourcesConfig()

    def unit_config(configuration: Configuration, seed: int) -> dict[str, Any]:
        return {"configuration": configuration.number, "seed": seed}

    run_units(coordinator, unit, unit_config, folder, lambda: None, OnlyReports, Slots(unit))


def driver_milliseconds(configurations: int, epochs: int = 3) -> list[tuple[int, int, float, float, float]]:
    """Driver time as a study grows to `configurations`, each with five seeds, without Ray.

    For each fifth of the units: configurations and units there, ms for a report, for the end of a unit, and for starting
    the next.
    """
    # The default pruner computes all that it does, and stops next to nothing.
    lenient = {"name": "forecast", "arguments": {"p": 1e-12}}
    settings = {"sampler": {"name": "random"}, "racing": {"name": "none"}, "schedule": "sequential"}
    config = study_config(configurations, pruner=lenient, **settings)
    windows, rows = 5, []
    with tempfile.TemporaryDirectory() as name:
        coordinator, tracking, journal, _ = study_in(Path(name), config, epochs)
        spent: dict[str, list[float]] = {"report": [], "end": [], "start": []}
        size = configurations * len(config.seeds) // windows
        while (started := timed(spent["start"], coordinator.next_unit)) is not None:
            number, seed = started[0].number, started[1]
            for epoch in range(1, epochs + 1):
                report = report_of(epoch, score_of(dict(started[0].values), seed, epoch))
                stopped = timed(spent["report"], lambda: coordinator.report(number, seed, report))  # noqa: B023
                if stopped:
                    break
            else:
                timed(spent["end"], lambda: coordinator.finished(number, seed, epochs))  # noqa: B023
            if coordinator.board.started % size == 0:
                rows.append(window(coordinator, spent))
        if spent["report"]:
            rows.append(window(coordinator, spent))
        coordinator.stop()
        journal.close()
        tracking.close(600)
    return rows


def window(coordinator: Coordinator, spent: dict[str, list[float]]) -> tuple[int, int, float, float, float]:
    """Make a row of the means, in ms, of `spent`, and empty `spent`."""
    report, end, start = (1e3 * statistics.fmean(spent[what] or [0.0]) for what in ("report", "end", "start"))
    for seconds in spent.values():
        seconds.clear()
    return len(coordinator.board.configurations), coordinator.board.started, report, end, start


Result = TypeVar("Result")


def timed(seconds: list[float], action: Callable[[], Result]) -> Result:
    started = time.perf_counter()
    result = action()
    seconds.append(time.perf_counter() - started)
    return result
