"""How much too high the winner's score is, as raced, beside what `evidence.luck` says; exits with 1 when it is off.

The engine plays studies of five seeds on eight workers in made-up worlds, whose truth is known: all true scores drawn
from a normal distribution of 2 points, with a bad tail below or without. Luck is the winner's mean minus its true score.
Units have one epoch; the rows with the epoch pruner have 20.

    .venv/bin/python benchmarks/engine.py policies luck
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
import warnings
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import optuna
from engine_cases import WORKERS
from engine_worlds import LUCK_SEED_SDS, LUCK_SIZES, TAILS, luck_case

from evidence.ties import tied_with_best
from sweep.config.study_config import with_settings
from sweep.simulation.simulate import mean_and_error
from sweep.simulation.simulated_study import simulate_study
from sweep.study.comparison import comparison_of

MOST_OFF = 0.3
"""The bar: points by which the mean of the estimates may be off, beyond two standard errors."""


class Setting(NamedTuple):
    """Studies of one kind: points between seeds, number of configurations, tail, and whether the pruner stops units."""

    seed_sd: float
    configurations: int
    tail: str
    pruner: bool = False


@dataclass(frozen=True)
class Played:
    """One study: luck and its estimate in points, and whether 1 or 0: the truth was in the interval, the winner best.

    `believed` is the probability with which the winner was believed to be the best; `false` whether the truly best, if
    it has a score, was not marked as tied.
    """

    luck: float
    estimate: float
    covered: float
    best: float
    believed: float
    false: float


def main(repeats: int, processes: int) -> int:
    """Print a row for each setting; returns 1 when a bar is missed. `processes`: 0 means one a core."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    began = time.monotonic()
    settings = [Setting(*one) for one in itertools.product(LUCK_SEED_SDS, LUCK_SIZES, TAILS)]
    settings += [Setting(seed_sd, 100, "bad tail", pruner=True) for seed_sd in LUCK_SEED_SDS]
    print(
        "| seed sd | configurations | true scores | luck | estimate | off by | 95 % interval holds the truth "
        "| winner is best | believed | truly best not tied |"
    )
    print(f"|{10 * '---|'}")
    broken: list[str] = []
    with ProcessPoolExecutor(processes or os.cpu_count(), multiprocessing.get_context("fork")) as pool:
        for setting in settings:
            played = list(pool.map(partial(play, setting), range(repeats)))
            print(row(setting, played), flush=True)
            off, error = mean_and_error([one.estimate - one.luck for one in played])
            if abs(off) - 2 * error > MOST_OFF:
                broken.append(f"{setting}: the estimate is off by {off:+.2f} ± {error:.2f} points")
    print(f"\n{repeats} repeats in {(time.monotonic() - began) / 60:.1f} minutes")
    print("\n".join(broken) if broken else "all bars are met")
    return int(bool(broken))


def play(setting: Setting, repeat: int) -> Played:
    """Play one study and compare what is believed of its winner with the truth."""
    case = luck_case(setting.configurations, setting.seed_sd, setting.tail, 20 if setting.pruner else 1)
    curves = case.curves(repeat)
    pruner = {"pruner": {"name": "forecast" if setting.pruner else "none"}}
    board = simulate_study(
        with_settings(case.config, pruner, case.name), curves, WORKERS, repeat=repeat
    ).board
    compared = comparison_of(board)
    assert compared is not None
    expectation = compared.expectation(compared.best)
    assert expectation is not None
    tied = tied_with_best(board.scores.ranked, compared.best, compared.chosen_among)
    assert tied is not None
    truth = np.array([curves.quality(configuration.values) for configuration in board.configurations])
    winner, best = truth[compared.best], int(truth.argmax())
    mean = float(np.mean(board.scores.metric("score")[compared.best]))
    seen = bool(np.isfinite(board.scores.metric("score")[best]).any())
    return Played(
        luck=100 * (mean - winner),
        estimate=100 * expectation.luck,
        covered=float(expectation.low <= winner <= expectation.high),
        best=float(best == compared.best),
        believed=float(compared.probability_best[compared.best]),
        false=float(seen and not tied[best]),
    )


def row(setting: Setting, played: Sequence[Played]) -> str:
    tail = setting.tail + (", epoch pruner" if setting.pruner else "")
    luck, estimate = (
        float(np.mean([getattr(one, field) for one in played])) for field in ("luck", "estimate")
    )
    off, error = mean_and_error([one.estimate - one.luck for one in played])
    covered, best, believed, false = (
        100 * float(np.mean([getattr(one, field) for one in played]))
        for field in ("covered", "best", "believed", "false")
    )
    return (
        f"| {setting.seed_sd} | {setting.configurations} | {tail} | {luck:.2f} | {estimate:.2f} "
        f"| {off:+.2f} ± {error:.2f} | {covered:.0f} % | {best:.0f} % | {believed:.0f} % | {false:.1f} % |"
    )
