"""The numbers of configurations that were validated on every fold of patients, and their ranking.

A unit validates on the patients of one fold, and the units of a configuration and seed, one for each fold, validate on
every patient once. Their answers together are one pool, on which each configuration and seed has one score. Who is tied
with the best is told on the same patients (`evidence.patient_bootstrap`): the best was the highest of K, and i is tied
unless it would lie so far below another that is no better with a probability of at most 5 % / (K - 1), so that of equal
ones each is called different with a probability of at most 5 % (Bonferroni).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from evidence.bundle import Bundle
from evidence.patient_bootstrap import PatientDraws, draw_patients, patient_confusion, patient_counts
from evidence.predictions import answers_of
from evidence.reading import FEWEST_PATIENTS
from evidence.scores import confusion_matrix
from evidence.seed_statistics import rate_interval
from evidence.validation import configuration_numbers, metrics_of, ranked_by, unit_numbers

FOLD = "fold"
"""The group of a bundle's cycles that says in which fold their patient validates."""
LEVEL = 0.05
"""With what probability, at most, one of equal configurations is called different from the best."""


def cross_fold_numbers(bundle: Bundle) -> dict[str, Any]:
    """Compute the numbers of a bundle of answers to all folds, each configuration with every seed of `about.seeds`.

    `units`: by configuration and seed, on the pool. `configurations`: by number,

    - mean, sample deviation and seeds of each metric on the pool;
    - `interval`: 95 % interval of the mean, over the seeds, of what ranks (`about.objective`; else the score), for other
      seeds on these patients; None below three seeds;
    - `patient_interval`: the same for other patients and other seeds; None below three seeds or five patients;
    - `folds`: by fold, how many cycles and patients, and mean and deviation of what ranks, None where it is undefined;
    - `worst_fold`: the fold with the lowest of these means;
    - `probability_best`: of ranking first with other patients and seeds; None where `patient_interval` is;
    - `behind_best`: how far it lies below the first: `mean`, and `difference_interval`, whose low end is above 0 for one
      that is not tied with it; None for the first, and where `patient_interval` is.

    `ranking`: the numbers by their mean, the best first; equal means by number.
    """
    metrics, metric, seeds = metrics_of(bundle.about), ranked_by(bundle.about), list(bundle.about["seeds"])
    labels, classes = bundle.cycles.labels, len(bundle.labels)
    folds = np.array(bundle.cycles.groups[FOLD])
    numbers = sorted({number for number, _ in bundle.predictions})
    answers = {unit: answers_of(kept) for unit, kept in bundle.predictions.items()}

    def of_unit(number: int, seed: int, rows: np.ndarray | slice = slice(None)) -> dict[str, Any]:
        confusion = confusion_matrix(labels[rows], answers[number, seed][rows], classes)
        return unit_numbers(confusion, bundle.formula, metrics)

    units = {number: {seed: of_unit(number, seed) for seed in seeds} for number in numbers}
    configurations = {
        number: configuration_numbers(list(of_seeds.values()), metrics) for number, of_seeds in units.items()
    }
    ranking = sorted(numbers, key=lambda number: (-configurations[number][metric]["mean"], number))
    given = [[answers[number, seed] for seed in seeds] for number in numbers]
    draws = draws_of_answers(labels, bundle.cycles.patients, given, classes, bundle.formula, metric)
    best = None if draws is None else draws.best()
    for place, number in enumerate(numbers):
        found = configurations[number]
        ranked = found[metric]
        found["interval"] = _interval(ranked)
        found["patient_interval"] = None if draws is None else list(draws.interval(place))
        found["probability_best"] = None if best is None else float(best[place])
        found["folds"] = {
            fold: {
                "cycles": int((folds == fold).sum()),
                "patients": len(np.unique(bundle.cycles.patients[folds == fold])),
                **_over_seeds([of_unit(number, seed, folds == fold)[metric] for seed in seeds]),
            }
            for fold in sorted(set(folds.tolist()), key=lambda fold: (len(fold), fold))
        }
        scored = {
            fold: of_fold["mean"] for fold, of_fold in found["folds"].items() if of_fold["mean"] is not None
        }
        found["worst_fold"] = min(scored, key=lambda fold: scored[fold]) if scored else None
        found["behind_best"] = None
        if draws is not None and number != ranking[0]:
            found["behind_best"] = _behind(draws, numbers.index(ranking[0]), place)
    return {
        "units": {
            str(number): {str(seed): unit for seed, unit in of_seeds.items()}
            for number, of_seeds in units.items()
        },
        "configurations": {str(number): found for number, found in configurations.items()},
        "ranking": ranking,
    }


def tied_with_first(numbers: dict[str, Any]) -> list[int]:
    """List the configurations, other than the first, that these numbers cannot tell from it."""
    behind = {int(number): found["behind_best"] for number, found in numbers["configurations"].items()}
    return [
        number
        for number, found in behind.items()
        if found is not None and found["difference_interval"][0] <= 0
    ]


def draws_of_answers(
    labels: np.ndarray,
    patients: np.ndarray,
    answers: list[list[np.ndarray]],
    classes: int,
    formula: str,
    metric: str,
) -> PatientDraws | None:
    """Draw patients anew for configurations that answered the same cycles, each with the same seeds.

    `labels` and `patients` are (cycles,), and so is each seed's entry of each configuration's `answers`. `metric`: what
    is scored, the task's score by its `formula`, `any_abnormal_score` or `harmonic_score`. None where nothing is said of
    other patients: below three seeds, or five patients with normal cycles, or five with abnormal ones.
    """
    confusion = patient_confusion(labels, patients, answers, classes)
    counts = patient_counts(confusion, any_abnormal=metric == "any_abnormal_score")
    if min((counts.normal > 0).sum(), (counts.abnormal > 0).sum()) < FEWEST_PATIENTS:
        return None
    return draw_patients(counts, "harmonic" if metric == "harmonic_score" else formula)


def _behind(draws: PatientDraws, best: int, other: int) -> dict[str, Any]:
    others = len(draws.score) - 1
    mean, low, high = draws.difference(best, other, level=1 - 2 * LEVEL / others)
    return {"mean": mean, "difference_interval": [low, high]}


def _interval(ranked: dict[str, Any]) -> list[float] | None:
    found = None if ranked["sd"] is None else rate_interval(ranked["mean"], ranked["sd"], ranked["seeds"])
    return None if found is None else list(found)


def _over_seeds(values: list[float | None]) -> dict[str, float | None]:
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return {"mean": None, "sd": None}
    return {"mean": float(np.mean(known)), "sd": float(np.std(known, ddof=1)) if len(known) > 1 else None}
