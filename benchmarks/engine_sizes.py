"""What the default race saves and costs by number of configurations and of seeds, with one objective and with two.

The worlds have a bad tail, and units one epoch; the engine itself plays on eight workers. Lost is the true score of the
configuration that wins when all seeds are trained minus that of the race's winner, in points. With two objectives the
front is that of all configurations with all seeds, by the means of sensitivity and specificity; found is the part of it
that has all its seeds in the end. Exits with 1 below a bar.

    .venv/bin/python benchmarks/engine.py policies sizes
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import optuna
from engine_cases import WORKERS
from engine_worlds import SEED_COUNTS, SEED_SDS, SIZES, size_case

from sweep.config.study_config import with_settings
from sweep.simulation.simulate import mean_and_error
from sweep.simulation.simulated_study import simulate_study
from sweep.study.score_table import METRICS

LEAST_SAVED, MOST_LOST = 65.0, 0.01
"""The bars: % of the seed runs; points, beyond two standard errors."""
BIG, MANY_SEEDS, QUIET = 30, 5, 1.5
"""The first bar is for studies of at least so many configurations and seeds, at no larger a deviation between seeds."""
TWO = {"objective": ["sensitivity", "specificity"]}


class Size(NamedTuple):
    """Studies of one kind: the deviation between seeds, in points, and how many configurations and seeds they have."""

    seed_sd: float
    configurations: int
    seeds: int

    def __str__(self) -> str:
        return f"seed sd {self.seed_sd}, {self.configurations} configurations, {self.seeds} seeds"


@dataclass(frozen=True)
class Raced:
    """How one study ended.

    Seed runs saved, in %, and what was lost, in points; with two objectives, saved and found, in %.
    """

    saved: float
    lost: float
    saved_of_two: float
    found_of_two: float


def main(repeats: int, processes: int) -> int:
    """Print a row for each size; returns 1 when a bar is missed. `processes`: 0 means one a core."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    began = time.monotonic()
    broken: list[str] = []
    print(
        "| seed sd | configurations | seeds | % saved | lost | two objectives: % saved | % of the front found |"
    )
    print("|---|---|---|---|---|---|---|")
    with ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        for seed_sd, seeds, configurations in itertools.product(SEED_SDS, SEED_COUNTS, SIZES):
            size = Size(seed_sd, configurations, seeds)
            raced = list(pool.map(partial(play, size), range(repeats)))
            print(row(size, raced), flush=True)
            broken += below_bars(size, raced)
    print(f"\n{repeats} repeats in {(time.monotonic() - began) / 60:.1f} minutes")
    print("\n".join(broken) if broken else "all bars are met")
    return int(bool(broken))


def play(size: Size, repeat: int) -> Raced:
    """Play one study with one objective and with two, in the same world."""
    case = size_case(size.configurations, size.seeds, size.seed_sd)
    curves, config = case.curves(repeat), with_settings(case.config, {"pruner": {"name": "none"}}, case.name)
    units = size.configurations * size.seeds
    points = config.space.grid_points()
    rates = np.array([[curves.curve(point, seed, 1)[-1] for seed in config.seeds] for point in points]).mean(
        1
    )
    truth = [curves.quality(point) for point in points]
    best = truth[int(rates[:, METRICS.index("score")].argmax())]

    one = simulate_study(config, curves, WORKERS, repeat=repeat).board
    winner = one.best()
    assert winner is not None
    two = simulate_study(with_settings(config, TWO, case.name), curves, WORKERS, repeat=repeat).board
    both = rates[:, [METRICS.index(name) for name in TWO["objective"]]]
    front = [points[place] for place in np.flatnonzero(on_front(both))]
    complete = [configuration.values for configuration in two.ranking()]
    return Raced(
        saved=100 * (1 - one.started / units),
        lost=100 * (best - curves.quality(winner.values)),
        saved_of_two=100 * (1 - two.started / units),
        found_of_two=100 * float(np.mean([point in complete for point in front])),
    )


def on_front(objectives: np.ndarray) -> np.ndarray:
    """Whether a row of `objectives` (rows, 2) is beaten by no other, which is as good in both and better in one."""
    beaten = [((objectives >= own).all(1) & (objectives > own).any(1)).any() for own in objectives]
    return ~np.array(beaten)


def row(size: Size, raced: Sequence[Raced]) -> str:
    lost, error = mean_and_error([one.lost for one in raced])
    saved, saved_of_two, found = (
        float(np.mean([getattr(one, field) for one in raced]))
        for field in ("saved", "saved_of_two", "found_of_two")
    )
    return (
        f"| {size.seed_sd} | {size.configurations} | {size.seeds} | {saved:.1f} | {lost:+.3f} ± {error:.3f} "
        f"| {saved_of_two:.1f} | {found:.1f} |"
    )


def below_bars(size: Size, raced: Sequence[Raced]) -> Iterator[str]:
    """Say for each bar that the race does not reach what was found."""
    saved = float(np.mean([one.saved for one in raced]))
    lost, error = mean_and_error([one.lost for one in raced])
    barred = size.configurations >= BIG and size.seeds >= MANY_SEEDS and size.seed_sd <= QUIET
    if barred and saved < LEAST_SAVED:
        yield f"{size}: {saved:.1f} % saved, less than {LEAST_SAVED:g} %"
    if lost - 2 * error > MOST_LOST:
        yield f"{size}: {lost:.3f} ± {error:.3f} points lost, more than {MOST_LOST:g}"
