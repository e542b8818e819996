"""What a study would cost before it runs: what is missing, its first proposals, simulated studies, a step timed here."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from data.errors import UserError
from data.settings import ConfigError
from model.training.recipe import Recipe
from model.weights_file import PretrainedError, find_checkpoint, is_hub_id
from sweep.config.study_config import StudyConfig
from sweep.driver.planned_data import planned_data
from sweep.driver.planned_steps import time_planned_steps, units_a_gpu
from sweep.driver.preflight import check_own_networks, random_weights
from sweep.driver.warning_by import warning_by
from sweep.execution.errors import ExecutorError
from sweep.execution.this_machine import check_machine
from sweep.folder.study_folder import StudyFolder
from sweep.report.study_plan import Cost, Plan, PlannedData
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_search import OptunaSearch
from sweep.simulation.made_up_curves import LearningCurves, SyntheticCurves, WorldConfig
from sweep.simulation.recorded_curves import RecordedCurves, RecordedStudy
from sweep.simulation.simulate import Outcome, simulate
from sweep.simulation.study_curves import study_curves
from sweep.storage.cache_folder import cache_folder

if TYPE_CHECKING:
    from sweep.machine.step_times import StepTimes

BYTES = {"float32": 4, "float16": 2}
PROPOSALS = 3
"""Points that a plan shows."""
KEPT_CHECKPOINTS = 2
"""Checkpoints that lie on the disk of each unit under way: the last one, and the one before."""


def plan_study(
    config: StudyConfig,
    workers: int = 1,
    *,
    epoch_seconds: float | None = None,
    recorded: StudyFolder | None = None,
    probe: bool = False,
    price: float | None = None,
    repeats: int = 5,
    address: str = "local",
) -> Plan:
    """Say what a study would cost on `workers` units at a time; starts no process, and writes nothing that stays.

    The study is simulated `repeats` times, on the curves that the study in the folder `recorded` reported, or on
    made-up curves, where `epoch_seconds` is the time of an epoch on a worker. With `probe` a few steps of the first
    proposal are trained here on noise, and what they take is the time of an epoch, unless that is known; where units
    share a GPU, that of as many as share it, side by side in processes of their own. `price`: of an hour of a device,
    see `Cost`. If the study is to run at the address `local`, this machine has to have room for a
    unit; of a cluster's machines nothing is asked.

    Raises ConfigError when sampler or pruner refuse the study, or it cannot come to the points that have curves.
    """
    search = OptunaSearch(config)
    EpochPruner(config.pruner, config.space.epochs, "plan", metric=config.ranking_metric)
    proposals, fixed = _first(search), config.any_recipe()
    recipes = [config.space.recipe(values) for values in proposals] or [fixed]
    warnings = [*random_weights(fixed), *filter(None, [search.skipped])]
    missing: list[str] = []
    with warning_by(warnings.append):
        data = _tried(lambda: planned_data(config, fixed), UserError, missing)
    # Of patients without an age each population tells anew.
    warnings = [*dict.fromkeys(warnings)]
    _tried(lambda: _check_weights(config, recipes), PretrainedError, missing)
    _tried(lambda: check_own_networks(config, config.scored_task), ConfigError, missing)
    if address == "local":
        _tried(lambda: check_machine(config.resources), ExecutorError, missing)
    steps = None
    if probe and recorded is None and epoch_seconds is None and not missing:
        steps = time_planned_steps(recipes[0], config.resources, workers, warnings)
        if steps is not None and data is not None:
            # As exact as a few steps can tell.
            seconds = steps.epoch_seconds(
                _steps(recipes[0], data), data.scored, saved=config.resources.checkpoint_minutes == 0
            )
            epoch_seconds = float(f"{seconds:.3g}")
    made_up = WorldConfig() if epoch_seconds is None else WorldConfig(epoch_seconds=epoch_seconds)
    if recorded is not None:
        world = partial(RecordedCurves, RecordedStudy(study_curves(recorded), config.seeds))
    else:
        world = partial(SyntheticCurves, made_up, config.space)
    first: LearningCurves = world(0)
    simulation = simulate(config, world, workers, repeats, processes=1)
    timed = recorded is not None or epoch_seconds is not None
    cost = partial(_cost, config, workers, timed, price, steps, data)
    further = _further_units(config, fixed)
    return Plan(
        config=config,
        workers=workers,
        points=search.points,
        proposals=tuple(proposals),
        cost=cost(simulation.study),
        cost_to_the_end=cost(simulation.yardstick),
        further_units=further,
        further_hours=None
        if epoch_seconds is None
        else further * fixed.epochs * epoch_seconds / 3600 / workers,
        data=data,
        feature_bytes=None if data is None else _feature_bytes(data, fixed),
        free_bytes=_free_bytes(cache_folder()),
        steps=steps,
        epoch_seconds=epoch_seconds,
        price=price,
        missing=tuple(missing),
        warnings=tuple(warnings),
        note=first.note if timed else made_up.note,
    )


def _first(search: OptunaSearch) -> list[dict[str, Any]]:
    """Ask for the first proposals, before any score is known."""
    proposed = (search.propose() for _ in range(PROPOSALS))
    return [dict(added.values) for added in proposed if added is not None]


def _tried(action: Callable[[], Any], error: type[UserError], missing: list[str]) -> Any:
    """Return what `action` does; None when it raises such an `error`, which then is `missing`."""
    try:
        return action()
    except error as problem:
        missing += str(problem).splitlines()
        return None


def _check_weights(config: StudyConfig, recipes: Iterable[Recipe]) -> None:
    """Raise PretrainedError for weights that are a file, and are not there or do not fit the network.

    Those of a hub are fetched when a study runs.
    """
    for recipe in {recipe.backbone.model_dump_json(): recipe for recipe in recipes}.values():
        source = recipe.backbone.pretrained
        if source is None or is_hub_id(source):
            continue
        find_checkpoint(source)
        from model.registry import build_backbone

        labels = config.scored_task.num_classes
        build_backbone(
            recipe.backbone, recipe.smoothing, labels, recipe.input_shape, recipe.dropped_to, recipe.frozen
        )


def _steps(recipe: Recipe, data: PlannedData) -> int:
    """Count the steps of an epoch."""
    batches = data.trained / recipe.batch_size
    return max(1, math.floor(batches) if recipe.sampling.drop_last else math.ceil(batches))


def _cost(
    config: StudyConfig,
    workers: int,
    timed: bool,
    price: float | None,
    steps: StepTimes | None,
    data: PlannedData | None,
    outcomes: Sequence[Outcome],
) -> Cost:
    """Take the means over simulated studies, and say what devices and disk that asks for."""
    units = fmean(outcome.units for outcome in outcomes)
    hours = fmean(outcome.hours for outcome in outcomes) if timed else None
    devices = _devices(workers, config.resources.gpu)
    device_hours = None if hours is None else hours * devices
    return Cost(
        configurations=fmean(outcome.configurations for outcome in outcomes),
        units=units,
        epochs=fmean(outcome.epochs for outcome in outcomes),
        hours=hours,
        device_hours=device_hours,
        money=None if device_hours is None or price is None else price * device_hours,
        study_bytes=None
        if steps is None or data is None
        else _study_bytes(config, workers, units, steps, data),
    )


def _devices(workers: int, gpu: float) -> int:
    """Count the devices that so many units at a time hold, as whole ones are rented: GPUs, or workers without any."""
    if 0 < gpu < 1:
        return math.ceil(workers / units_a_gpu(gpu))
    # Without rounding errors, by which 25 times 2.2 is above 55.
    return math.ceil(round(workers * gpu, 4)) or workers


def _study_bytes(config: StudyConfig, workers: int, units: float, steps: StepTimes, data: PlannedData) -> int:
    """Bytes that a study's folder takes at most: checkpoints under way, and weights and answers of all units.

    Weights of configurations that cannot win any more are removed, which this leaves out.
    """
    answers = 2 * data.scored * config.scored_task.num_classes
    checkpoints = workers * KEPT_CHECKPOINTS * steps.checkpoint_bytes
    return round(checkpoints + steps.encoder_bytes + units * (steps.weights_bytes + answers))


def _further_units(config: StudyConfig, recipe: Recipe) -> int:
    """Count the units, at most, that train the finalists on the other folds of patients once the search is over."""
    if config.folds != "all":
        return 0
    return config.finalists * (recipe.folds.folds - 1) * len(config.seeds)


def _feature_bytes(data: PlannedData, recipe: Recipe) -> int:
    """Size of the log-mels of the training part."""
    features = recipe.features
    return data.cycles * features.frames * features.n_mels * BYTES[features.storage]


def _free_bytes(folder: Path) -> int:
    """Free bytes on the disk on which a folder lies, or would lie."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free
