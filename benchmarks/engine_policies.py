"""What the default racing and epoch pruner save and cost, beside what else is in use; exits with 1 below the bars.

Regret is the true score of the best configuration minus that of the winner, in points. In the first table a seed run
is one epoch, in the second 20. Worlds are those of `engine_worlds`. Our policies are played on eight workers by the
engine itself; the others are the models of `engine_models`.

    .venv/bin/python benchmarks/engine.py policies seeds
    .venv/bin/python benchmarks/engine.py policies epochs
"""

from __future__ import annotations

import multiprocessing
import os
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import numpy as np
import optuna
from engine_cases import WORKERS, Case, Played, truth_of
from engine_models import EPOCH_POLICIES, FIVE_SEEDS, SEED_POLICIES, Policy
from engine_worlds import ONE_SPEED, epoch_cases, seed_cases
from racing_rules import Halving, PooledZ, Wilcoxon

from sweep.config.study_config import with_settings
from sweep.simulation.simulate import mean_and_error, outcome_of
from sweep.simulation.simulated_study import simulate_study
from sweep.study.racing import Rule

LEAST_SAVED, MOST_LOST_RACING, MOST_LOST_PRUNER, MOST_EPOCHS = 65.0, 0.01, 0.05, 30.0
"""The bars: % of seed runs, points, points, % of epochs."""
MOST_MORE_EPOCHS = 1.0
"""% of all epochs that the default may use beyond the median pruner where all learn at one speed."""
NO_PRUNER, NO_RACING = {"pruner": {"name": "none"}}, {"racing": {"name": "none"}}
Studies = Mapping[str, Mapping[str, Any]]
Results = dict[tuple[str, str], list[Played]]
COLUMNS = ("seed runs", "% saved", "% of epochs", "% of device time", "regret", "against five seeds each")
DEFAULT_RACING = "**default racing (contenders)**"
DEFAULT_PRUNER, BOTH = "**default epoch pruner (forecast)**", "**default racing and epoch pruner**"
MEDIAN, RACING_AND_MEDIAN = "median pruner", "default racing and median pruner"
OTHER_RULES: dict[str, Rule] = {"pooled_z": PooledZ(), "wilcoxon": Wilcoxon(), "halving": Halving()}
SEED_STUDIES: dict[str, dict[str, Any]] = dict.fromkeys([DEFAULT_RACING, *OTHER_RULES], NO_PRUNER)
EPOCH_STUDIES: dict[str, dict[str, Any]] = {
    DEFAULT_PRUNER: NO_RACING,
    MEDIAN: {"pruner": {"name": "median"}, **NO_RACING},
    BOTH: {},
    RACING_AND_MEDIAN: {"pruner": {"name": "median"}},
}


def main(table: str, repeats: int, processes: int) -> int:
    """Print a table (`seeds` or `epochs`); returns 1 when a bar is missed. `processes`: 0 means one a core."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    studies, others = (SEED_STUDIES, SEED_POLICIES) if table == "seeds" else (EPOCH_STUDIES, EPOCH_POLICIES)
    rows = [(case, studies, others) for case in {"seeds": seed_cases, "epochs": epoch_cases}[table]()]
    broken = list(below_bars(print_table(rows, repeats, processes)))
    print("\n".join(broken) if broken else "all bars are met")
    return int(bool(broken))


def print_table(
    rows: Sequence[tuple[Case, Studies, Mapping[str, Policy]]], repeats: int, processes: int
) -> Results:
    """Play and print each case under its studies, which the engine plays, and under the models of other policies."""
    began = time.monotonic()
    results: Results = {}
    context = multiprocessing.get_context("fork")
    print(f"| world | policy | {' | '.join(COLUMNS)} |\n|---|---|{len(COLUMNS) * '---|'}")
    with ProcessPoolExecutor(processes or os.cpu_count(), context) as pool:
        for case, studies, others in rows:
            for played in pool.map(partial(play, case, studies, others), range(repeats)):
                for policy, result in played.items():
                    results.setdefault((case.name, policy), []).append(result)
            for policy in (*others, *studies):
                row = " | ".join(cells(results, case.name, policy))
                print(f"| {case.name} | {policy} | {row} |", flush=True)
    print(f"\n{repeats} repeats in {(time.monotonic() - began) / 60:.1f} minutes")
    return results


def play(case: Case, studies: Studies, others: Mapping[str, Policy], repeat: int) -> dict[str, Played]:
    """Play one world under every policy: ours by the engine itself, the others by their models.

    Recorded configurations, and their seeds, are met in an order of the repeat's own.
    """
    curves, config = case.curves(repeat), case.config
    if curves.points is None:
        points = config.space.grid_points()
    else:
        random = np.random.default_rng(repeat)
        points = [curves.points[place] for place in random.permutation(len(curves.points))]
        config = config.model_copy(update={"seeds": tuple(random.permutation(config.seeds).tolist())})
    truth = truth_of(curves, config, points)
    results = {name: policy(truth) for name, policy in others.items()}
    for name, settings in studies.items():
        own = with_settings(config, settings, name)
        if name in OTHER_RULES:
            # A race that no study file can ask for.
            own = own.model_copy(update={"racing": OTHER_RULES[name]})
        study = simulate_study(own, curves, WORKERS, repeat=repeat)
        outcome = outcome_of(study, curves)
        epochs = [sum(len(unit.curve) for unit in one.units.values()) for one in study.board.configurations]
        seconds = [curves.seconds(one.values) for one in study.board.configurations]
        share = float(np.dot(epochs, seconds)) / (truth.scores[0].size * float(truth.seconds.sum()))
        results[name] = Played(outcome.units, outcome.share, share, 100 * outcome.regret)
    return results


def cells(results: Results, case: str, policy: str) -> list[str]:
    played, full = results[case, policy], results[case, FIVE_SEEDS]
    regret = mean_and_error([one.regret for one in played])
    lost = _lost(played, full)
    return [
        f"{_runs(played):.0f}",
        f"{_saved(played, full):.1f}",
        f"{_epochs(played):.1f}",
        f"{100 * float(np.mean([one.time for one in played])):.1f}",
        f"{regret[0]:.3f} ± {regret[1]:.3f}",
        f"{lost[0]:+.3f} ± {lost[1]:.3f}",
    ]


def below_bars(results: Results) -> Iterator[str]:
    """Say for each bar that a policy does not reach what was found."""
    for (case, policy), played in results.items():
        full = results[case, FIVE_SEEDS]
        lost, saved = _lost(played, full)[0], _saved(played, full)
        if policy == DEFAULT_RACING and saved < LEAST_SAVED:
            yield f"{case}: {policy} saves {saved:.1f} % of the seed runs, less than {LEAST_SAVED:g} %"
        if policy == DEFAULT_RACING and lost > MOST_LOST_RACING:
            yield f"{case}: {policy} costs {lost:.3f} points, more than {MOST_LOST_RACING:g}"
        if policy == DEFAULT_PRUNER and lost > MOST_LOST_PRUNER:
            yield f"{case}: {policy} costs {lost:.3f} points, more than {MOST_LOST_PRUNER:g}"
        if policy == BOTH and _epochs(played) > MOST_EPOCHS:
            yield f"{case}: {policy} use {_epochs(played):.1f} % of the epochs, more than {MOST_EPOCHS:g} %"
        if policy == BOTH and ONE_SPEED in case:
            median = _epochs(results[case, RACING_AND_MEDIAN])
            if _epochs(played) > median + MOST_MORE_EPOCHS:
                yield f"{case}: {policy} use {_epochs(played):.1f} % of the epochs, the median pruner {median:.1f} %"


def _runs(played: Sequence[Played]) -> float:
    return float(np.mean([one.runs for one in played]))


def _saved(played: Sequence[Played], full: Sequence[Played]) -> float:
    """Seed runs saved against training all of them, in %."""
    return 100 * (1 - _runs(played) / _runs(full))


def _epochs(played: Sequence[Played]) -> float:
    """Epochs used, in %."""
    return 100 * float(np.mean([one.epochs for one in played]))


def _lost(played: Sequence[Played], full: Sequence[Played]) -> tuple[float, float]:
    """Regret above that of training five seeds each in the same worlds, in points, with its standard error."""
    return mean_and_error([one.regret - other.regret for one, other in zip(played, full, strict=True)])
