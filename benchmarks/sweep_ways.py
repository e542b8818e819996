"""The ways in which `benchmarks/sweep_cost.py` trains the same units, and what their workers noted."""

from __future__ import annotations

import os
import statistics
import time
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from engine_cost import study_config, study_in

from data.task import ICBHI
from model.training.fit import fit
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.execution.slots import Slots
from sweep.execution.tuner import run_units
from sweep.study.units import Configuration
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import PreparedData
from sweep.worker.step_result import StepResult
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import unit_config

from ray import tune  # isort: skip


class Moment(NamedTuple):
    """An epoch as its worker saw it; times are seconds since 1970. `trained` is the seconds of the epoch itself."""

    worker: int
    unit: str
    opened: float
    ready: float
    began: float
    told: float
    trained: float


class Way(NamedTuple):
    """What became of the units that were trained in one way; `started` is when training was asked for."""

    started: float
    moments: list[Moment]

    def seconds_a_unit(self) -> float:
        """Seconds from the first unit that a worker opens to the last that it reports, over its units; the mean."""
        return statistics.fmean(
            (moments[-1].told - moments[0].opened) / len({moment.unit for moment in moments})
            for moments in self._of_workers()
        )

    def shares(self) -> dict[str, float]:
        """Shares of the time between the first unit that a worker opens and the last that it reports."""
        spent: dict[str, float] = defaultdict(float)
        for moments in self._of_workers():
            units = {moment.unit: moment for moment in moments}.values()
            spent["whole"] += moments[-1].told - moments[0].opened
            spent["training"] += sum(moment.trained for moment in moments)
            spent["building"] += sum(moment.ready - moment.opened for moment in units)
            spent["checkpoints"] += sum(moment.told - moment.began - moment.trained for moment in moments)
        parts = {part: spent[part] / spent["whole"] for part in ("training", "building", "checkpoints")}
        return {**parts, "waiting": 1 - sum(parts.values())}

    def until_first(self) -> float:
        """Seconds until the first worker is ready for its first unit."""
        return min(moment.ready for moment in self.moments) - self.started

    def until_next(self) -> list[float]:
        """Seconds from a worker's report of a unit's last epoch until that worker is ready for the next unit."""
        return [
            after.ready - before.told
            for moments in self._of_workers()
            for before, after in pairwise(moments)
            if after.unit != before.unit
        ]

    def _of_workers(self) -> list[list[Moment]]:
        workers: Mapping[int, list[Moment]] = defaultdict(list)
        for moment in sorted(self.moments, key=lambda moment: moment.told):
            workers[moment.worker].append(moment)
        return list(workers.values())


class WatchedUnit(UnitTrainable):
    """A unit that notes in each report when it was opened, ready and trained."""

    def setup(self, config: dict[str, Any]) -> None:
        self._opened = time.time()
        super().setup(config)
        self._ready = time.time()
        self._unit = f"{config['configuration']}-{config['seed']}"

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._opened = time.time()
        done = super().reset_config(new_config)
        self._ready = time.time()
        self._unit = f"{new_config['configuration']}-{new_config['seed']}"
        return done

    def step(self) -> dict[str, Any]:
        began = time.time()
        result = StepResult.from_tune(super().step())

        def moment(seconds: float) -> Moment:
            return Moment(os.getpid(), self._unit, self._opened, self._ready, began, time.time(), seconds)

        reports = [{**report, "moment": moment(report["seconds"])._asdict()} for report in result.reports]
        return replace(result, reports=tuple(reports)).as_tune()


def in_process(
    recipe: Recipe, prepared: PreparedData, folder: Path, units: int, resources: ResourcesConfig
) -> Way:
    """Train units one after the other in this process."""
    device = "cuda" if resources.gpu else "cpu"
    train, validation = load_examples(prepared, recipe.folds.fold)
    for _ in fit(recipe.model_copy(update={"epochs": 1}), 0, train, validation, device=device, task=ICBHI):
        pass  # compiled code, the first touch of memory
    configs = [unit_config(0, seed, recipe, prepared, folder, resources) for seed in range(1, units + 1)]
    started, moments = time.time(), []
    unit = WatchedUnit(configs[0])
    for config in configs:
        if config is not configs[0]:
            unit.reset(config)
        moments += [
            Moment(**StepResult.from_tune(unit.train()).reports[0]["moment"]) for _ in range(recipe.epochs)
        ]
    return Way(started, moments)


def by_tune(
    recipe: Recipe, prepared: PreparedData, folder: Path, units: int, resources: ResourcesConfig
) -> Way:
    """Train units by Ray Tune alone."""
    config = unit_config(0, 0, recipe, prepared, folder, resources)
    seeds = tune.grid_search(list(range(1, units + 1)))
    collected = _Collected()
    started = time.time()
    tune.Tuner(
        tune.with_resources(WatchedUnit, {"cpu": resources.cpu, "gpu": resources.gpu}),
        param_space={**config, "seed": seeds},
        tune_config=tune.TuneConfig(max_concurrent_trials=1, reuse_actors=True),
        run_config=tune.RunConfig(
            storage_path=str(folder.absolute()),
            callbacks=[collected],
            checkpoint_config=tune.CheckpointConfig(checkpoint_at_end=False),
            verbose=0,
        ),
    ).fit()
    return Way(started, collected.moments)


class _Collected(tune.Callback):
    def __init__(self) -> None:
        self.moments: list[Moment] = []

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: Any, **_: Any) -> None:
        self.moments += [Moment(**report["moment"]) for report in StepResult.from_tune(result).reports]

    def __getstate__(self) -> dict[str, Any]:
        return {}


def by_engine(
    recipe: Recipe, prepared: PreparedData, folder: Path, units: int, resources: ResourcesConfig
) -> Way:
    """Train units by the engine: a study with one seed of `units` configurations, nothing stopped."""
    folder.mkdir()
    content = recipe.model_dump(mode="json")
    config = study_config(units, recipe=content, seeds=[1], racing={"name": "none"}, pruner={"name": "none"})
    coordinator, tracking, journal, _ = study_in(folder, config, recipe.epochs)

    def of(configuration: Configuration, seed: int) -> dict[str, Any]:
        return unit_config(
            configuration.number, seed, config.space.recipe(configuration.values), prepared, folder, resources
        )

    started = time.time()
    run_units(coordinator, resources, of, folder, lambda: None, WatchedUnit, Slots(resources))
    coordinator.stop()
    journal.close()
    tracking.close()
    reports = [report for unit in coordinator.board.units() for report in unit.curve]
    return Way(started, [Moment(**report["moment"]) for report in reports])
