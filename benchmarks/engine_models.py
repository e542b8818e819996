"""Other policies than ours, each a model of what is in use, played on the true scores of a world.

Those over seeds train one unit at a time, those over epochs `WORKERS`.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.pruners import BasePruner, MedianPruner, WilcoxonPruner
from optuna.trial import TrialState

from sweep.config.study_config import StudyConfig
from sweep.simulation.made_up_curves import LearningCurves
from sweep.simulation.simulated_study import SCORE, selected_epoch

WORKERS = 8


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


def truth_of(curves: LearningCurves, config: StudyConfig, points: Sequence[Mapping[str, Any]]) -> Truth:
    """Draw every curve of the configurations at `points`, with all seeds of the study."""
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


Policy = Callable[[Truth], Played]
FIVE_SEEDS = "five seeds each"
SEED_POLICIES: dict[str, Policy] = {
    FIVE_SEEDS: five_seeds_each,
    "random search, one seed each": one_seed_each,
    "Optuna alone, MedianPruner over seeds": partial(optuna_alone, MedianPruner, True),
    "Optuna alone, WilcoxonPruner": partial(optuna_alone, WilcoxonPruner, False),
    "SMAC's doubling": doubling,
}
EPOCH_POLICIES: dict[str, Policy] = {
    FIVE_SEEDS: five_seeds_each,
    "random search, one seed each": one_seed_each,
    "ASHA over (configuration, seed), reduction 4": partial(asha, 1, 4),
    "the same, reduction 3, 5 epochs of grace": partial(asha, 5, 3),
}
