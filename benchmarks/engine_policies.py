"""What the default racing and epoch pruner save and cost, beside what else is in use; exits with 1 below the bars.

100 configurations with five seeds each, in made-up worlds with fixed seeds. Regret is the true score of the best
configuration minus that of the winner, in points. In the first table a seed run is one epoch, in the second 20. Our
policies are played on eight workers by the engine itself; the others are models, those over seeds on one worker. Where
speeds differ, a configuration's time constant has a standard deviation of 0.5 in its logarithm; where slow learners end
better, the time constant has a correlation of 0.5 with the last score.

    .venv/bin/python benchmarks/engine.py policies seeds
    .venv/bin/python benchmarks/engine.py policies epochs
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
import multiprocessing
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, WilcoxonPruner
from optuna.trial import TrialState
from racing_rules import Halving, PooledZ, Wilcoxon

from sweep.config.study_config import StudyConfig
from sweep.simulation.made_up_curves import SyntheticCurves, WorldConfig
from sweep.simulation.simulate import mean_and_error, outcome_of
from sweep.simulation.simulated_study import simulate_study
from sweep.study.racing import Rule
from sweep.study.score_table import METRICS

CONFIGURATIONS, SEEDS, EPOCHS, WORKERS = 100, (1, 2, 3, 4, 5), 20, 8
LEAST_SAVED, MOST_LOST_RACING, MOST_LOST_PRUNER, MOST_EPOCHS = 65.0, 0.01, 0.1, 30.0
"""The bars: % of seed runs, points, points, % of epochs."""
NO_PRUNER, NO_RACING = {"pruner": {"name": "none"}}, {"racing": {"name": "none"}}


@dataclass(frozen=True)
class Case:
    """A kind of world."""

    name: str
    world: WorldConfig
    epochs: int


@dataclass(frozen=True)
class Played:
    """One study under one policy: seed runs started, epochs as a share of all, regret in points."""

    runs: float
    epochs: float
    regret: float


@dataclass(frozen=True)
class Truth:
    """A world as arrays: scores (configurations, seeds, epochs) and the quality of each configuration."""

    scores: np.ndarray
    quality: np.ndarray

    @property
    def last(self) -> np.ndarray:
        return self.scores[:, :, -1]

    def played(self, winner: int, runs: int, epochs: int | None = None) -> Played:
        share = (runs * self.scores.shape[2] if epochs is None else epochs) / self.scores.size
        return Played(runs, share, 100 * float(self.quality.max() - self.quality[winner]))


Policy = Callable[[Truth], Played]
Results = dict[tuple[str, str], list[Played]]


def main(table: str, repeats: int, processes: int) -> int:
    """Print a table (`seeds` or `epochs`); returns 1 when a bar is missed. `processes`: 0 means one a core."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    began = time.monotonic()
    results: Results = {}
    cases = {"seeds": seed_cases, "epochs": epoch_cases}[table]()
    context = multiprocessing.get_context("fork")
    print(f"| world | policy | {' | '.join(COLUMNS)} |\n|---|---|{len(COLUMNS) * '---|'}")
    with ProcessPoolExecutor(processes or os.cpu_count(), context) as pool:
        for case in cases:
            studies, others = (
                (SEED_STUDIES, SEED_POLICIES) if table == "seeds" else (EPOCH_STUDIES, EPOCH_POLICIES)
            )
            if HARSH in case.name:
                studies = {**studies, **LATE_STUDIES}
            for played in pool.map(partial(play, case, studies, others), range(repeats)):
                for policy, result in played.items():
                    results.setdefault((case.name, policy), []).append(result)
            for policy in (*others, *studies):
                row = " | ".join(cells(results, case.name, policy))
                print(f"| {case.name} | {policy} | {row} |", flush=True)
    broken = list(below_bars(results))
    print(f"\n{repeats} repeats in {(time.monotonic() - began) / 60:.1f} minutes")
    print("\n".join(broken) if broken else "all bars are met")
    return int(bool(broken))


def seed_cases() -> list[Case]:
    return [
        Case(f"{tail}, seed sd {seed_sd}", _world(tail, seed_sd), epochs=1)
        for tail in TAILS
        for seed_sd in (0.8, 1.5)
    ]


def epoch_cases() -> list[Case]:
    return [
        Case(f"{tail}, seed sd {seed_sd}, {speed}", _world(tail, seed_sd, **SPEEDS[speed]), EPOCHS)
        for tail in TAILS
        for seed_sd in (0.8, 1.5)
        for speed in SPEEDS
        if tail == "bad tail" or speed != HARSH
    ]


def play(
    case: Case, studies: Mapping[str, Mapping[str, Any]], others: Mapping[str, Policy], repeat: int
) -> dict[str, Played]:
    """Play one world under every policy: ours by the engine itself, the others by the models below."""
    space = _config(case.epochs, {}).space
    curves = SyntheticCurves(case.world, space, repeat)
    points = space.grid_points()
    scores = [[curves.curve(point, seed, case.epochs)[:, SCORE] for seed in SEEDS] for point in points]
    truth = Truth(np.array(scores), np.array([curves.quality(point) for point in points]))
    results = {name: policy(truth) for name, policy in others.items()}
    for name, settings in studies.items():
        config = _config(case.epochs, settings, OTHER_RULES.get(name))
        outcome = outcome_of(simulate_study(config, curves, WORKERS), curves)
        results[name] = Played(outcome.units, outcome.share, 100 * outcome.regret)
    return results


def cells(results: Results, case: str, policy: str) -> list[str]:
    played, full = results[case, policy], results[case, FIVE_SEEDS]
    regret = mean_and_error([one.regret for one in played])
    lost = _lost(played, full)
    return [
        f"{_runs(played):.0f}",
        f"{_saved(played):.1f}",
        f"{_epochs(played):.1f}",
        f"{regret[0]:.3f} ± {regret[1]:.3f}",
        f"{lost[0]:+.3f} ± {lost[1]:.3f}",
    ]


def below_bars(results: Results) -> Iterator[str]:
    """Say for each bar that a policy does not reach what was found."""
    for (case, policy), played in results.items():
        lost = _lost(played, results[case, FIVE_SEEDS])[0]
        if policy == DEFAULT_RACING and _saved(played) < LEAST_SAVED:
            yield f"{case}: {policy} saves {_saved(played):.1f} % of the seed runs, less than {LEAST_SAVED:g} %"
        if policy == DEFAULT_RACING and lost > MOST_LOST_RACING:
            yield f"{case}: {policy} costs {lost:.3f} points, more than {MOST_LOST_RACING:g}"
        if policy == DEFAULT_PRUNER and lost > MOST_LOST_PRUNER and HARSH not in case:
            yield f"{case}: {policy} costs {lost:.3f} points, more than {MOST_LOST_PRUNER:g}"
        if policy == BOTH and _epochs(played) > MOST_EPOCHS:
            yield f"{case}: {policy} use {_epochs(played):.1f} % of the epochs, more than {MOST_EPOCHS:g} %"


def five_seeds_each(truth: Truth) -> Played:
    return truth.played(int(truth.last.mean(1).argmax()), truth.last.size)


def one_seed_each(truth: Truth) -> Played:
    """Play random search as it is mostly done: one seed each, and the best score wins."""
    return truth.played(int(truth.last[:, 0].argmax()), len(truth.last))


def optuna_alone(pruner: Callable[[], BasePruner], running_mean: bool, truth: Truth) -> Played:
    """Play Optuna alone: a trial is a configuration whose seeds are trained in turn, each seed a step.

    With `running_mean` a step reports the mean so far and a pruned trial is out, as the median pruner wants it; else
    the seed's own score, and a pruned trial counts with its mean, as the Wilcoxon pruner's manual has it.
    """
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(0), pruner=pruner()
    )
    runs = 0
    for scores in truth.last:
        trial, cut, done = study.ask(), False, 0
        while done < len(SEEDS) and not cut:
            done += 1
            trial.report(float(scores[:done].mean() if running_mean else scores[done - 1]), done)
            # After the last seed there is nothing left to save.
            cut = done < len(SEEDS) and trial.should_prune()
        runs += done
        if cut and running_mean:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, float(scores[:done].mean()))
    return truth.played(study.best_trial.number, runs)


def doubling(truth: Truth) -> Played:
    """Play SMAC's intensification: a challenger gets 1, 2, 4, ... of the incumbent's seeds, and is out once it is worse.

    The incumbent gets one more seed before each challenge, and all in the end.
    """
    scores, seeds = truth.last, len(SEEDS)
    incumbent, known, runs = 0, 1, 1
    for challenger in range(1, len(scores)):
        if known < seeds:
            known, runs = known + 1, runs + 1
        done, more = 0, 1
        while done < known:
            done, more = min(done + more, known), 2 * more
            if scores[challenger, :done].mean() < scores[incumbent, :done].mean():
                break
        else:
            incumbent = challenger
        runs += done
    return truth.played(incumbent, runs + seeds - known)


def asha(grace: int, reduction: int, truth: Truth) -> Played:
    """Play ASHA: every (configuration, seed) is a trial, asynchronously halved over epochs, first come first judged.

    At `grace` epochs, and at each `reduction` times more, a trial stops that is not among the best 1/`reduction` of
    those before it. The best mean over the seeds that reached the last epoch wins.
    """
    configurations, seeds, last = truth.scores.shape
    rungs: dict[int, list[float]] = {}
    milestone = grace
    while milestone < last:
        rungs[milestone] = []
        milestone *= reduction
    trials = itertools.product(range(configurations), range(seeds))
    workers = [
        (epoch, trial, epoch) for epoch, trial in zip(itertools.repeat(1), itertools.islice(trials, WORKERS))
    ]
    finished = np.full((configurations, seeds), math.nan)
    epochs = 0
    while workers:
        now, trial, epoch = heapq.heappop(workers)
        epochs += 1
        score = truth.scores[trial][epoch - 1]
        stops = epoch == last
        if epoch in rungs:
            stops = score < _quantile(rungs[epoch], 1 - 1 / reduction)
            bisect.insort(rungs[epoch], score)
        if epoch == last:
            finished[trial] = score
        if not stops:
            heapq.heappush(workers, (now + 1, trial, epoch + 1))
        elif (following := next(trials, None)) is not None:
            heapq.heappush(workers, (now + 1, following, 1))
    reached = np.isfinite(finished)
    means = np.where(reached, finished, 0.0).sum(1) / np.maximum(reached.sum(1), 1)
    winner = int(np.where(reached.any(1), means, -np.inf).argmax())
    return truth.played(winner, configurations * seeds, epochs)


def _quantile(ordered: Sequence[float], share: float) -> float:
    """The quantile as numpy defines it, without numpy's overhead; -inf of no values."""
    if not ordered:
        return -math.inf
    place, beyond = divmod(share * (len(ordered) - 1), 1)
    low, high = ordered[int(place)], ordered[min(int(place) + 1, len(ordered) - 1)]
    return low + beyond * (high - low)


def _world(tail: str, seed_sd: float, **more: float) -> WorldConfig:
    return WorldConfig(landscape="none", seed_sd=seed_sd / 100, tail_share=TAILS[tail], **more)


def _config(epochs: int, settings: Mapping[str, Any], rule: Rule | None = None) -> StudyConfig:
    """A study of 100 points in which there is nothing to learn; `rule`: a race that no study file can ask for."""
    config = StudyConfig.model_validate(
        {
            "recipe": {"epochs": epochs},
            "search": {"batch_size": {"type": "int", "low": 2, "high": 1 + CONFIGURATIONS}},
            "seeds": SEEDS,
            "sampler": {"name": "grid"},
            "budget": {"configurations": CONFIGURATIONS},
            **settings,
        }
    )
    return config if rule is None else config.model_copy(update={"racing": rule})


def _runs(played: Sequence[Played]) -> float:
    return float(np.mean([one.runs for one in played]))


def _saved(played: Sequence[Played]) -> float:
    """Seed runs saved, in %."""
    return 100 * (1 - _runs(played) / (CONFIGURATIONS * len(SEEDS)))


def _epochs(played: Sequence[Played]) -> float:
    """Epochs used, in %."""
    return 100 * float(np.mean([one.epochs for one in played]))


def _lost(played: Sequence[Played], full: Sequence[Played]) -> tuple[float, float]:
    """Regret above that of training five seeds each in the same worlds, in points, with its standard error."""
    return mean_and_error([one.regret - other.regret for one, other in zip(played, full, strict=True)])


SCORE = METRICS.index("score")
COLUMNS = ("seed runs", "% saved", "% of epochs", "regret", "against five seeds each")
TAILS = {"no tail": 0.0, "bad tail": 0.2}
HARSH = "slow ends better"
"""A world in which a warm-up of a third is known to be too short: shown, and held to no bar."""
SPEEDS = {
    "one speed": {},
    "speeds differ": {"time_constant_sd": 0.5},
    HARSH: {"time_constant_sd": 0.5, "slow_is_better": 0.5},
}
FIVE_SEEDS, DEFAULT_RACING = "five seeds each", "**default racing (contenders)**"
DEFAULT_PRUNER, BOTH = "**default epoch pruner (median)**", "**default racing and epoch pruner**"
OTHER_RULES: dict[str, Rule] = {"pooled_z": PooledZ(), "wilcoxon": Wilcoxon(), "halving": Halving()}
SEED_STUDIES: dict[str, dict[str, Any]] = dict.fromkeys([DEFAULT_RACING, *OTHER_RULES], NO_PRUNER)
SEED_POLICIES: dict[str, Policy] = {
    FIVE_SEEDS: five_seeds_each,
    "random search, one seed each": one_seed_each,
    "Optuna alone, MedianPruner over seeds": partial(optuna_alone, MedianPruner, True),
    "Optuna alone, WilcoxonPruner": partial(optuna_alone, WilcoxonPruner, False),
    "SMAC's doubling": doubling,
}
LATE = {"name": "median", "arguments": {"n_warmup_steps": EPOCHS * 3 // 5 + 1}}
EPOCH_STUDIES: dict[str, dict[str, Any]] = {DEFAULT_PRUNER: NO_RACING, BOTH: {}}
LATE_STUDIES: dict[str, dict[str, Any]] = {
    "median pruner with a warm-up of 60 %": {"pruner": LATE, **NO_RACING},
    "both, with that warm-up": {"pruner": LATE},
}
EPOCH_POLICIES: dict[str, Policy] = {
    FIVE_SEEDS: five_seeds_each,
    "random search, one seed each": one_seed_each,
    "ASHA over (configuration, seed), reduction 4": partial(asha, 1, 4),
    "the same, reduction 3, 5 epochs of grace": partial(asha, 5, 3),
}
