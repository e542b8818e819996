"""Other policies than ours, each a model of what is in use, played on the true scores of a case.

Those over seeds train one unit at a time, those over epochs `WORKERS`.
"""

from __future__ import annotations

import bisect
import heapq
import itertools
import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import optuna
from engine_cases import WORKERS, Played, Truth
from optuna.pruners import BasePruner, MedianPruner, WilcoxonPruner
from optuna.trial import TrialState


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
