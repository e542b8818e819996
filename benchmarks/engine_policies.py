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

from sweep.config.study_config import StudyConfig, with_settings
from sweep.simulation.made_up_curves import LearningCurves, SyntheticCurves, WorldConfig
from sweep.simulation.simulate import mean_and_error, outcome_of
from sweep.simulation.simulated_study import SCORE, selected_epoch, simulate_study
from sweep.study.racing import Rule

CONFIGURATIONS, SEEDS, EPOCHS, WORKERS = 100, (1, 2, 3, 4, 5), 20, 8
LEAST_SAVED, MOST_LOST_RACING, MOST_LOST_PRUNER, MOST_EPOCHS = 65.0, 0.01, 0.1, 30.0
"""The bars: % of seed runs, points, points, % of epochs."""
NO_PRUNER, NO_RACING = {"pruner": {"name": "none"}}, {"racing": {"name": "none"}}


@dataclass(frozen=True)
class Case:
    """A kind of world: its curves by repeat, and what is studied in it, with the default rules."""

    name: str
    curves: Callable[[int], LearningCurves]
    config: StudyConfig


@dataclass(frozen=True)
class Played:
    """One study under one policy: seed runs started, epochs and device time as shares of all, regret in points."""

    runs: float
    epochs: float
    time: float
    regret: float


@dataclass(frozen=True)
class Truth:
    """A world as arrays: of each configuration its scores, (configurations, seeds, epochs), the scores that stand for
    its seeds, its quality, and the seconds of an epoch."""

    scores: np.ndarray
    chosen: np.ndarray
    quality: np.ndarray
    seconds: np.ndarray

    def played(self, winner: int, runs: int, epochs: np.ndarray) -> Played:
        """Measure a policy by its winner, its seed runs and the epochs that it trained of each configuration."""
        every_epoch = self.scores.shape[1] * self.scores.shape[2]
        return Played(
            runs,
            float(epochs.sum()) / self.scores.size,
            float(epochs @ self.seconds / (every_epoch * self.seconds.sum())),
            100 * float(self.quality.max() - self.quality[winner]),
        )

    def raced(self, winner: int, runs: np.ndarray) -> Played:
        """Measure a policy that trains every unit to its end, `runs` of each configuration."""
        return self.played(winner, int(runs.sum()), runs * self.scores.shape[2])


Policy = Callable[[Truth], Played]
Studies = Mapping[str, Mapping[str, Any]]
Results = dict[tuple[str, str], list[Played]]


def main(table: str, repeats: int, processes: int) -> int:
    """Print a table (`seeds` or `epochs`); returns 1 when a bar is missed. `processes`: 0 means one a core."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    studies, others = (SEED_STUDIES, SEED_POLICIES) if table == "seeds" else (EPOCH_STUDIES, EPOCH_POLICIES)
    rows = [
        (case, {**studies, **late_studies(EPOCHS)} if HARSH in case.name else studies, others)
        for case in {"seeds": seed_cases, "epochs": epoch_cases}[table]()
    ]
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


def seed_cases() -> list[Case]:
    return [
        _case(f"{tail}, seed sd {seed_sd}", _world(tail, seed_sd), epochs=1)
        for tail in TAILS
        for seed_sd in (0.8, 1.5)
    ]


def epoch_cases() -> list[Case]:
    return [
        _case(f"{tail}, seed sd {seed_sd}, {speed}", _world(tail, seed_sd, **SPEEDS[speed]), EPOCHS)
        for tail in TAILS
        for seed_sd in (0.8, 1.5)
        for speed in SPEEDS
        if tail == "bad tail" or speed != HARSH
    ]


def play(case: Case, studies: Studies, others: Mapping[str, Policy], repeat: int) -> dict[str, Played]:
    """Play one world under every policy: ours by the engine itself, the others by the models below.

    Recorded configurations, and their seeds, are met in an order of the repeat's own.
    """
    curves, config = case.curves(repeat), case.config
    if curves.points is None:
        points = config.space.grid_points()
    else:
        random = np.random.default_rng(repeat)
        points = [curves.points[place] for place in random.permutation(len(curves.points))]
        config = config.model_copy(update={"seeds": tuple(random.permutation(config.seeds).tolist())})
    truth = _truth(curves, config, points)
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


def _truth(curves: LearningCurves, config: StudyConfig, points: Sequence[Mapping[str, Any]]) -> Truth:
    recipes = [config.space.recipe(point) for point in points]
    units = [
        [curves.curve(point, seed, recipe.epochs) for seed in config.seeds]
        for point, recipe in zip(points, recipes, strict=True)
    ]
    chosen = [
        [curve[selected_epoch(curve, recipe) - 1, SCORE] for curve in of_one]
        for of_one, recipe in zip(units, recipes, strict=True)
    ]
    return Truth(
        np.array([[curve[:, SCORE] for curve in of_one] for of_one in units]),
        np.array(chosen),
        np.array([curves.quality(point) for point in points]),
        np.array([curves.seconds(point) for point in points]),
    )


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
        if policy == DEFAULT_PRUNER and lost > MOST_LOST_PRUNER and HARSH not in case:
            yield f"{case}: {policy} costs {lost:.3f} points, more than {MOST_LOST_PRUNER:g}"
        if policy == BOTH and _epochs(played) > MOST_EPOCHS:
            yield f"{case}: {policy} use {_epochs(played):.1f} % of the epochs, more than {MOST_EPOCHS:g} %"


def five_seeds_each(truth: Truth) -> Played:
    return truth.raced(int(truth.chosen.mean(1).argmax()), np.full(len(truth.chosen), truth.chosen.shape[1]))


def one_seed_each(truth: Truth) -> Played:
    """Play random search as it is mostly done: one seed each, and the best score wins."""
    return truth.raced(int(truth.chosen[:, 0].argmax()), np.ones(len(truth.chosen)))


def optuna_alone(pruner: Callable[[], BasePruner], running_mean: bool, truth: Truth) -> Played:
    """Play Optuna alone: a trial is a configuration whose seeds are trained in turn, each seed a step.

    With `running_mean` a step reports the mean so far and a pruned trial is out, as the median pruner wants it; else
    the seed's own score, and a pruned trial counts with its mean, as the Wilcoxon pruner's manual has it.
    """
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.RandomSampler(0), pruner=pruner()
    )
    runs = []
    for scores in truth.chosen:
        trial, cut, done = study.ask(), False, 0
        while done < len(scores) and not cut:
            done += 1
            trial.report(float(scores[:done].mean() if running_mean else scores[done - 1]), done)
            # After the last seed there is nothing left to save.
            cut = done < len(scores) and trial.should_prune()
        runs.append(done)
        if cut and running_mean:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, float(scores[:done].mean()))
    return truth.raced(study.best_trial.number, np.array(runs))


def doubling(truth: Truth) -> Played:
    """Play SMAC's intensification: a challenger gets 1, 2, 4, ... of the incumbent's seeds, and is out once it is worse.

    The incumbent gets one more seed before each challenge, and all in the end.
    """
    scores, seeds = truth.chosen, truth.chosen.shape[1]
    incumbent, known, runs = 0, 1, np.zeros(len(scores))
    runs[0] = 1
    for challenger in range(1, len(scores)):
        if known < seeds:
            known += 1
            runs[incumbent] += 1
        done, more = 0, 1
        while done < known:
            done, more = min(done + more, known), 2 * more
            if scores[challenger, :done].mean() < scores[incumbent, :done].mean():
                break
        else:
            incumbent = challenger
        runs[challenger] = done
    runs[incumbent] += seeds - known
    return truth.raced(incumbent, runs)


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
    epochs = np.zeros(configurations)
    while workers:
        now, trial, epoch = heapq.heappop(workers)
        epochs[trial[0]] += 1
        score = truth.scores[trial][epoch - 1]
        stops = epoch == last
        if epoch in rungs:
            stops = score < _quantile(rungs[epoch], 1 - 1 / reduction)
            bisect.insort(rungs[epoch], score)
        if epoch == last:
            finished[trial] = truth.chosen[trial]
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


def _case(name: str, world: WorldConfig, epochs: int) -> Case:
    """A study of 100 points in which there is nothing to learn, in a made-up world."""
    config = StudyConfig.model_validate(
        {
            "recipe": {"epochs": epochs},
            "search": {"batch_size": {"type": "int", "low": 2, "high": 1 + CONFIGURATIONS}},
            "seeds": SEEDS,
            "sampler": {"name": "grid"},
            "budget": {"configurations": CONFIGURATIONS},
        }
    )
    return Case(name, partial(SyntheticCurves, world, config.space), config)


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


COLUMNS = ("seed runs", "% saved", "% of epochs", "% of device time", "regret", "against five seeds each")
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
EPOCH_STUDIES: dict[str, dict[str, Any]] = {DEFAULT_PRUNER: NO_RACING, BOTH: {}}


def late_studies(epochs: int) -> dict[str, dict[str, Any]]:
    """The median pruner with a warm-up of 60 % of the epochs, alone and with racing."""
    late = {"name": "median", "arguments": {"n_warmup_steps": epochs * 3 // 5 + 1}}
    return {
        "median pruner with a warm-up of 60 %": {"pruner": late, **NO_RACING},
        "both, with that warm-up": {"pruner": late},
    }


EPOCH_POLICIES: dict[str, Policy] = {
    FIVE_SEEDS: five_seeds_each,
    "random search, one seed each": one_seed_each,
    "ASHA over (configuration, seed), reduction 4": partial(asha, 1, 4),
    "the same, reduction 3, 5 epochs of grace": partial(asha, 5, 3),
}
