"""Settings of a study that contradict each other, or that together are no search."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from data.quantities import counted
from data.settings import ConfigError
from model.scan_engines import DEVICES
from sweep.config.population_checks import check_scored_population, check_unified_model
from sweep.study.board import FOLD
from sweep.study.budget import BudgetConfig

if TYPE_CHECKING:
    from sweep.config.study_config import StudyConfig

MOST_POINTS_TOLD = 10
"""Enqueued points of which is said what is wrong with them."""


def contradictions(config: StudyConfig) -> list[str]:
    """Say what in a study cannot be, each setting being right by itself; empty for a study that can run.

    The searched space is tried at the bounds and choices of each field, and at each enqueued point.
    """
    checks = (
        _check_budget,
        _check_objective,
        _check_scan_engine,
        _check_somebody_is_held_out,
        _check_folds,
        _check_space,
        check_unified_model,
        check_scored_population,
    )
    problems = (_problem(partial(check, config)) for check in checks)
    return [problem for problem in problems if problem is not None]


def _check_budget(config: StudyConfig) -> None:
    if config.budget.gpu_hours is not None and not config.resources.gpu:
        raise ConfigError(
            "budget.gpu_hours: the units hold no GPU, so that none are ever spent: resources.gpu is 0"
            f"{config.resources.by_default('gpu')}; use wall_clock or units"
        )
    if config.budget.units is not None and config.budget.units < len(config.seeds):
        raise ConfigError(
            f"budget.units: {config.budget.units} cannot finish one configuration of {len(config.seeds)} seeds"
            f"{config.by_default('seeds')}"
        )


def _check_objective(config: StudyConfig) -> None:
    if config.objective == "any_abnormal" and config.scored_task.num_classes == 2:
        raise ConfigError(
            f"objective: any_abnormal is the score itself in the task {config.scored_task.name}, which has one "
            "abnormal label; write score"
        )


def _check_space(config: StudyConfig) -> None:
    space, problems = config.space, []
    for position, point in enumerate(config.enqueue):
        problem = _problem(partial(space.check_point, point))
        if problem is not None:
            problems.append(f"enqueue.{position}: {problem}")
    if len(problems) > MOST_POINTS_TOLD:
        left = len(problems) - MOST_POINTS_TOLD
        problems[MOST_POINTS_TOLD:] = [f"enqueue: {counted(left, 'other point')} cannot be tried either"]
    if problems:
        raise ConfigError("\n".join(problems))
    if config.sampler.name == "grid":
        space.grid_points()
    if config.sampler.name == "one_at_a_time":
        space.axis_points()


def _check_somebody_is_held_out(config: StudyConfig) -> None:
    folds = config.recipe.get("folds")
    nobody = isinstance(folds, Mapping) and folds.get("fold", 0) is None
    if config.protocol == "published":
        _check_is_as_published(config, nobody)
        return
    if nobody and config.finishes is None:
        raise ValueError(
            "recipe.folds.fold: null holds nobody out, and a search would choose by what was trained on; give a "
            "fold from 0, or choose first and then: respsweep finish NAME"
        )
    chooses = (
        not nobody
        or config.budget != BudgetConfig(configurations=1)
        or len(config.enqueue) != 1
        or any(len(getattr(parameter, "choices", ())) != 1 for parameter in config.search.values())
        or config.recipe.get("selection", "last") != "last"
    )
    if config.finishes is not None and chooses:
        raise ValueError(
            "finishes: such a study trains one configuration to its last epoch, with nobody held out, and chooses "
            "nothing; make it with: respsweep finish NAME"
        )
    if config.finishes is not None and config.leak:
        raise ValueError("leak: a study that finishes another is tested once, at its end; leave leak out")


def _check_folds(config: StudyConfig) -> None:
    if config.folds == "all" and (config.finishes or config.crosses) is not None:
        raise ValueError("folds: all is of a study that searches, and this one chooses nothing; write one")
    if config.protocol == "published" and (config.folds == "all" or config.crosses is not None):
        raise ValueError(
            f"{'crosses' if config.crosses else 'folds: all'}: a study with `protocol: published` holds nobody out, "
            "so there are no folds; leave it out"
        )
    if config.crosses is None:
        return
    if config.leak:
        raise ValueError("leak: a study of other folds shows nothing that its search did not; leave leak out")
    every_point = len(config.enqueue) == config.budget.configurations
    if config.finishes is not None or not every_point or any(FOLD not in point for point in config.enqueue):
        raise ValueError(
            "crosses: such a study trains the points under `enqueue`, each on the fold that it names, and chooses "
            "nothing; it is made by `folds: all` in the study file of a search"
        )


def _check_is_as_published(config: StudyConfig, nobody_held_out: bool) -> None:
    if config.finishes is not None or config.leak:
        other = "leak" if config.leak else "finishes"
        raise ValueError(f"{other}: is of honest studies; a study with `protocol: published` has none")
    if not nobody_held_out:
        raise ValueError(
            "recipe.folds.fold: `protocol: published` trains on the whole official training part; leave it out"
        )
    if config.recipe.get("selection", "last") != "best":
        raise ValueError(
            "recipe.selection: with `protocol: published` the best epoch on the test part counts; leave it out"
        )


def _check_scan_engine(config: StudyConfig) -> None:
    here, engine = "cuda" if config.resources.gpu else "cpu", "auto"
    # The fixed settings may be a recipe only together with searched ones.
    with contextlib.suppress(ConfigError):
        engine = config.space.recipe({}).backbone.scan_engine
    if DEVICES.get(engine, here) != here:
        raise ConfigError(
            f"recipe.backbone.scan_engine: {engine} runs on {DEVICES[engine]}, the units on {here}, as "
            f"resources.gpu is {config.resources.gpu:g}{config.resources.by_default('gpu')}; use auto"
        )


def _problem(check: Callable[[], None]) -> str | None:
    """Say what a check refuses; None when it passes."""
    try:
        check()
    except ValueError as error:
        return str(error)
    return None
