"""Studies simulated many times over: what they cost and found, beside studies that train every seed to its end."""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from data.settings import ConfigError
from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import PrunerConfig
from sweep.simulation.made_up_curves import LearningCurves, ranked
from sweep.simulation.simulated_study import SimulatedStudy, selected_epoch, simulate_study
from sweep.study.board import Board
from sweep.study.racing import NoRacingConfig

World = Callable[[int], LearningCurves]
"""Makes the curves of a repeat, by its number."""


@dataclass(frozen=True)
class Outcome:
    """What a simulated study cost and found. NaN where there is no winner."""

    configurations: float
    units: float
    """Units that were started."""
    epochs: float
    """Epochs trained by all units, also by units that were stopped."""
    share: float
    """Epochs trained, as a share of training all seeds of all proposed configurations to their end."""
    hours: float
    """Hours from the beginning to the end, with all its workers."""
    score: float
    """True score of the winner, or what the study ranks by, a fraction."""
    regret: float
    """True score of the best proposed configuration minus the true score of the winner."""
    kept: float
    """1 when the winner would have won, too, had every proposed configuration trained all its seeds; else 0."""
    no_winner: float
    """1 when no configuration got all its seeds; else 0."""


@dataclass(frozen=True)
class Simulation:
    """Repeats of a study, and in the same worlds of a study that trains every seed to its end.

    `epoch_seconds`: what an epoch is taken to last, from which hours follow; None where epochs were timed.
    """

    note: str
    workers: int
    study: Sequence[Outcome]
    yardstick: Sequence[Outcome]
    epoch_seconds: float | None = None
    metric: str = "score"
    """The number that the studies rank by."""


def outcome_of(simulated: SimulatedStudy, curves: LearningCurves) -> Outcome:
    """Measure what a study cost and found against the truth of its curves."""
    config, board = simulated.config, simulated.board
    metric = config.ranking_metric
    truth = [curves.quality(configuration.values, metric) for configuration in board.configurations]
    recipes = [config.space.recipe(configuration.values) for configuration in board.configurations]
    every_epoch = len(config.seeds) * sum(recipe.epochs for recipe in recipes)
    epochs = sum(len(unit.curve) for unit in board.units())
    best = board.best()
    return Outcome(
        configurations=len(board.configurations),
        units=board.started,
        epochs=epochs,
        share=epochs / every_epoch if every_epoch else math.nan,
        hours=simulated.events[-1].at / 3600,
        score=truth[best.number] if best else math.nan,
        regret=max(truth) - truth[best.number] if best else math.nan,
        kept=float(best.number == _winner_of_all(board, config.seeds, recipes, curves, metric))
        if best
        else math.nan,
        no_winner=float(best is None),
    )


def simulate(
    config: StudyConfig,
    world: World,
    workers: int,
    repeats: int,
    processes: int | None = None,
    on_repeat: Callable[[int], None] = lambda over: None,
) -> Simulation:
    """Play a study `repeats` times, each in a world of its own, beside a study that stops nothing.

    `processes` is by default the number of cores. `on_repeat` hears how many repeats are over, after each. Raises
    ConfigError when the study cannot come to the points that have curves.
    """
    to_the_end = config.model_copy(update={"racing": NoRacingConfig(), "pruner": PrunerConfig(name="none")})
    study, yardstick = play([config, to_the_end], world, workers, repeats, processes, on_repeat)
    first = world(0)
    return Simulation(first.note, workers, study, yardstick, first.epoch_seconds, config.ranking_metric)


def play(
    configs: Sequence[StudyConfig],
    world: World,
    workers: int,
    repeats: int,
    processes: int | None = None,
    on_repeat: Callable[[int], None] = lambda over: None,
) -> list[tuple[Outcome, ...]]:
    """Play each study; returns its outcomes repeat by repeat. In one repeat all studies meet one world.

    `on_repeat` hears how many repeats are over, after each. Raises ConfigError when a study cannot come to the points
    that have curves.
    """
    for config in configs:
        for point in world(0).points or ():
            try:
                config.space.check_point(point)
            except ConfigError as error:
                raise ConfigError(
                    "the curves are of a study with another search space, to whose points this study must come: "
                    f"{error}; without a study file, the study of the curves is played"
                ) from None
    task = partial(_play_once, configs, world, workers)
    processes = min(processes or os.cpu_count() or 1, repeats)
    rows: list[tuple[Outcome, ...]] = []
    with contextlib.ExitStack() as closing:
        if processes == 1:
            played = map(task, range(repeats))
        else:
            # A forked process has all modules already, which take longer to import than a study to play.
            pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"))
            played = closing.enter_context(pool).map(task, range(repeats))
        for row in played:
            rows.append(row)
            on_repeat(len(rows))
    return list(zip(*rows, strict=True))


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard error over the values that are numbers; NaN where there are too few."""
    numbers = [value for value in values if not math.isnan(value)]
    mean = float(np.mean(numbers)) if numbers else math.nan
    error = float(np.std(numbers, ddof=1)) / math.sqrt(len(numbers)) if len(numbers) > 1 else math.nan
    return mean, error


def _play_once(
    configs: Sequence[StudyConfig], world: World, workers: int, repeat: int
) -> tuple[Outcome, ...]:
    curves = world(repeat)
    return tuple(
        outcome_of(simulate_study(config, curves, workers, repeat=repeat), curves) for config in configs
    )


def _winner_of_all(
    board: Board, seeds: Sequence[int], recipes: Sequence[Recipe], curves: LearningCurves, metric: str
) -> int:
    """Find the configuration that would win by `metric` if every seed of every configuration were trained."""
    means = []
    for configuration, recipe in zip(board.configurations, recipes, strict=True):
        units = [curves.curve(configuration.values, seed, recipe.epochs) for seed in seeds]
        chosen = [ranked(curve, metric)[selected_epoch(curve, recipe, metric) - 1] for curve in units]
        means.append(np.mean(chosen))
    return int(np.argmax(means))
