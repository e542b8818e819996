"""Every number that is told of a reading of the test part, computed from the predictions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evidence.bundle import Bundle, Cycles
from evidence.calibration import brier_score, expected_calibration_error, risk_coverage
from evidence.predictions import answers_of
from evidence.scores import SCORES, confusion_matrix, harmonic_score, score, sensitivity, specificity

METRICS = ("score", "sensitivity", "specificity", "average_score", "harmonic_score", "any_abnormal_score")
HEADLINE = ("cycles", "patients", "mean", "patient_interval")
"""What a ledger keeps of the numbers of a part."""
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
DRAWS = 10_000
FEWEST_PATIENTS = 5
"""Below so many patients no interval over patients is given."""


def reading_numbers(bundle: Bundle) -> dict[str, Any]:
    """Compute the numbers of a reading: `parts`, by name, of each part as a whole and without excluded patients.

    A part called `inter` has an entry of that name, and one called `inter, clean` where patients of `about.excluded`,
    who are on both sides of the official split, have cycles in it. Each entry has

    - `cycles`, `patients`: how many;
    - `seeds`: by seed, the confusion matrix and the metrics (fractions; None where undefined);
    - `mean`, `sd`: of each metric over the seeds (sample deviation; None below two seeds);
    - `patient_interval`: 95 % interval of the mean score over patients drawn anew (percentile bootstrap of 10,000
      draws; the seeds stay); None below five patients;
    - `ensemble`: the metrics of the mean of the seeds' probabilities;
    - `calibration`: mean over the seeds of the expected calibration error and the Brier score;
    - `risk_coverage`: share of wrong answers of the ensemble among its most confident cycles, by their share;
    - `groups`: by property and value, cycles, patients, mean score and interval.
    """
    excluded = list(bundle.about.get("excluded", ()))
    kept = ~np.isin(bundle.cycles.patients, excluded)
    parts = np.array(bundle.cycles.parts)
    numbers: dict[str, Any] = {}
    for part in dict.fromkeys(bundle.cycles.parts):
        rows = parts == part
        numbers[part] = _numbers(bundle, np.flatnonzero(rows))
        if (rows & ~kept).any():
            numbers[f"{part}, clean"] = _numbers(bundle, np.flatnonzero(rows & kept))
    return {"parts": numbers}


def rates(confusion: np.ndarray, formula: str) -> dict[str, float | None]:
    """Compute all metrics of a confusion matrix; None where undefined."""
    normal_found, abnormal_found = specificity(confusion), sensitivity(confusion)
    both = None if normal_found is None or abnormal_found is None else (normal_found, abnormal_found)
    return {
        "score": score(confusion, formula),
        "sensitivity": abnormal_found,
        "specificity": normal_found,
        "average_score": score(confusion, "average"),
        "harmonic_score": None if both is None else harmonic_score(*both),
        "any_abnormal_score": score(confusion, formula, any_abnormal=True),
    }


def _numbers(bundle: Bundle, rows: np.ndarray) -> dict[str, Any]:
    cycles = bundle.cycles
    labels, patients = cycles.labels[rows], cycles.patients[rows]
    by_seed = {seed: kept[rows].astype(np.float64) for (_, seed), kept in bundle.predictions.items()}
    answers = {seed: answers_of(kept) for seed, kept in by_seed.items()}
    classes, formula = len(bundle.labels), bundle.formula
    confusions = {seed: confusion_matrix(labels, given, classes) for seed, given in answers.items()}
    seeds = {seed: rates(confusion, formula) for seed, confusion in confusions.items()}
    ensemble = np.mean(list(by_seed.values()), axis=0)
    _, risk = risk_coverage(ensemble, labels)
    return {
        "cycles": len(rows),
        "patients": len(np.unique(patients)),
        "seeds": {
            str(seed): {"confusion": confusions[seed].tolist(), **found} for seed, found in seeds.items()
        },
        "mean": {metric: _mean([found[metric] for found in seeds.values()]) for metric in METRICS},
        "sd": {metric: _deviation([found[metric] for found in seeds.values()]) for metric in METRICS},
        "patient_interval": patient_interval(labels, patients, list(answers.values()), formula),
        "ensemble": rates(confusion_matrix(labels, answers_of(ensemble), classes), formula),
        "calibration": {
            "expected_calibration_error": _mean(
                [expected_calibration_error(kept, labels) for kept in by_seed.values()]
            ),
            "brier_score": _mean([brier_score(kept, labels) for kept in by_seed.values()]),
        },
        "risk_coverage": [
            [share, float(risk[max(0, int(np.ceil(share * len(rows))) - 1)])] for share in COVERAGES
        ],
        "groups": {name: _groups(cycles, name, rows, answers, bundle) for name in sorted(cycles.groups)},
    }


def _groups(
    cycles: Cycles, name: str, rows: np.ndarray, answers: Mapping[int, np.ndarray], bundle: Bundle
) -> dict[str, Any]:
    values = np.array([cycles.groups[name][row] for row in rows])
    found = {}
    for value in sorted(set(values.tolist()) - {""}):
        inside = values == value
        labels, patients = cycles.labels[rows][inside], cycles.patients[rows][inside]
        given = [answer[inside] for answer in answers.values()]
        scores = [score(confusion_matrix(labels, one, len(bundle.labels)), bundle.formula) for one in given]
        found[value] = {
            "cycles": int(inside.sum()),
            "patients": len(np.unique(patients)),
            "score": _mean(scores),
            "interval": patient_interval(labels, patients, given, bundle.formula),
        }
    return found


def patient_interval(
    labels: np.ndarray, patients: np.ndarray, answers: Sequence[np.ndarray], formula: str, draws: int = DRAWS
) -> list[float] | None:
    """95 % interval of the mean score over seeds, were other patients of the same kind recorded.

    `labels` and `patients` are (cycles,), as is each seed's entry of `answers`. Whole patients are drawn with
    replacement, each with all cycles, `draws` times; draws without a normal or an abnormal cycle are left out. None for
    fewer than five patients, and where hardly any draw has both.
    """
    known, whose = np.unique(patients, return_inverse=True)
    if len(known) < FEWEST_PATIENTS:
        return None
    normal = labels == 0
    totals = np.stack([np.bincount(whose, normal), np.bincount(whose, ~normal)])
    weights = np.random.default_rng(0).multinomial(
        len(known), np.full(len(known), 1 / len(known)), size=draws
    )
    sums = weights @ totals.T
    whole = (sums > 0).all(axis=1)
    if whole.mean() < 0.5:
        return None
    scores = np.zeros(int(whole.sum()))
    for given in answers:
        right = given == labels
        hits = np.stack([np.bincount(whose, normal & right), np.bincount(whose, ~normal & right)])
        found = (weights[whole] @ hits.T) / sums[whole]
        scores += _formula(formula, found[:, 0], found[:, 1])
    low, high = np.quantile(scores / len(answers), [0.025, 0.975])
    return [float(low), float(high)]


def _formula(formula: str, normal_found: np.ndarray, abnormal_found: np.ndarray) -> np.ndarray:
    return np.array([SCORES[formula](*pair) for pair in zip(normal_found, abnormal_found, strict=True)])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _deviation(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None
