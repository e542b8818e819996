"""How studies end that hours end: with a winner, and with next to nothing unspent; exits with 1 below a bar.

The studies have five seeds and units of one epoch, whose durations are log-normal between configurations; the mean unit
is that of the distribution, so that a budget says nothing of the configurations that a study meets. Nothing is known of
a duration before the unit ends, which is the hardest case. A wall clock must be at least `LEAST_UNITS_LONG` mean units
long, as the further seeds of a winner run after its first. All by the engine itself, with random search and no pruner.

    .venv/bin/python benchmarks/engine.py budget
"""

from __future__ import annotations

import math
import multiprocessing
import os
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import optuna

from sweep.config.study_config import StudyConfig
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.simulated_study import simulate_study
from sweep.study.units import State

LEAST_WITH_WINNER, MOST_UNSPENT = 99.5, 1.0
"""The bars: % of the studies; mean units a worker, in the mean of the studies."""
WORKERS, DEVIATIONS, SEEDS = (1, 8, 32), (0.0, 0.3, 0.5), (1, 2, 3, 4, 5)
LEAST_UNITS_LONG = 3
LIMITS = (("gpu_hours", 15), ("gpu_hours", 30), ("wall_clock", 15))
"""What limits the studies, and how many mean units that pays for: three configurations with all their seeds, or more."""


@dataclass(frozen=True)
class Cell:
    """Studies of one kind: what limits them, to how many mean units, their workers, and the sd of log duration."""

    limit: str
    units: int
    workers: int
    deviation: float


@dataclass(frozen=True)
class Ending:
    """How a study ended: what was complete and what was cut, and the mean units a worker that were left."""

    configurations: int
    units: int
    complete: int
    cut: int
    unspent: float


def main(studies: int, processes: int) -> int:
    """Print a row for each cell; returns 1 when a bar is missed. `processes`: 0 means one a core."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    began, missed = time.monotonic(), []
    columns = (
        "configurations",
        "units",
        "complete",
        "cut at the limit",
        "% with a winner",
        "unspent a worker",
    )
    print(f"| limit, mean units | workers | sd of log duration | {' | '.join(columns)} |")
    print(f"|---|---|---|{len(columns) * '---|'}")
    with ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        for cell in cells():
            endings = list(pool.map(partial(play, cell), range(studies), chunksize=4))
            print(row(cell, endings), flush=True)
            missed += below_bars(cell, endings)
    print(f"\n{studies} studies a row in {(time.monotonic() - began) / 60:.1f} minutes")
    print("\n".join(missed) if missed else "all bars are met")
    return int(bool(missed))


def cells() -> list[Cell]:
    return [
        Cell(limit, units, workers, deviation)
        for limit, units in LIMITS
        for workers in WORKERS
        for deviation in DEVIATIONS
    ]


def play(cell: Cell, repeat: int) -> Ending:
    """Play one study of a cell."""
    world = WorldConfig(landscape="none", epoch_seconds_sd=cell.deviation)
    mean_s = world.epoch_seconds * math.exp(cell.deviation**2 / 2)
    units = float(cell.units)
    if cell.limit == "wall_clock":
        units = max(units / cell.workers, LEAST_UNITS_LONG)
    config = StudyConfig.model_validate(
        {
            "recipe": {"epochs": 1},
            "search": {"patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0}},
            "seeds": SEEDS,
            "sampler": {"name": "random"},
            "pruner": {"name": "none"},
            "resources": {"gpu": 1},
            "budget": {cell.limit: units * mean_s / 3600},
        }
    )
    study = simulate_study(config, SyntheticCurves(world, config.space, repeat), cell.workers, repeat=repeat)
    board = study.board
    paid = units * (cell.workers if cell.limit == "wall_clock" else 1)
    spent = board.gpu_seconds(study.events[-1].at) / mean_s
    return Ending(
        configurations=len(board.configurations),
        units=board.started,
        complete=len(board.ranking()),
        cut=sum(unit.state is State.WAITING for unit in board.units()),
        unspent=(paid - spent) / cell.workers,
    )


def with_winner(endings: Sequence[Ending]) -> float:
    """Studies that end with at least one complete configuration, in %."""
    return 100 * float(np.mean([ending.complete > 0 for ending in endings]))


def unspent(endings: Sequence[Ending]) -> float:
    """Mean units a worker that are left, in the mean of the studies."""
    return float(np.mean([ending.unspent for ending in endings]))


def row(cell: Cell, endings: Sequence[Ending]) -> str:
    means = [
        float(np.mean([getattr(ending, name) for ending in endings]))
        for name in ("configurations", "units", "complete", "cut")
    ]
    most = max(ending.unspent for ending in endings)
    cells = [
        f"{cell.limit}, {cell.units}",
        f"{cell.workers}",
        f"{cell.deviation:g}",
        *(f"{mean:.1f}" for mean in means),
        f"{with_winner(endings):.1f}",
        f"{unspent(endings):.2f}, at most {most:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def below_bars(cell: Cell, endings: Sequence[Ending]) -> list[str]:
    """Say for each bar that a cell does not reach what was found."""
    where = f"{cell.limit} of {cell.units} units, {cell.workers} workers, sd {cell.deviation:g}"
    missed = []
    if (share := with_winner(endings)) < LEAST_WITH_WINNER:
        missed.append(f"{where}: {share:.1f} % end with a winner, fewer than {LEAST_WITH_WINNER:g} %")
    # The clock's last digits.
    if (left := unspent(endings)) > MOST_UNSPENT + 1e-6:
        missed.append(f"{where}: {left:.2f} units a worker are left, more than {MOST_UNSPENT:g}")
    return missed
