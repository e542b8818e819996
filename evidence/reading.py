"""Every number that is told of a reading of the test part, computed from the predictions alone."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evidence.bundle import Bundle, Cycles
from evidence.calibration import brier_score, expected_calibration_error, risk_coverage
from evidence.patient_bootstrap import PatientDraws, draw_patients, patient_confusion, patient_counts
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix, harmonic_score, score, sensitivity, specificity
from evidence.seed_statistics import FEWEST_SEEDS, rate_interval

METRICS = ("score", "sensitivity", "specificity", "average_score", "harmonic_score", "any_abnormal_score")
HEADLINE = ("cycles", "patients", "mean", "interval", "patient_interval")
"""What a ledger keeps of the numbers of a part (`headline_of`)."""
COVERAGES = (1.0, 0.9, 0.8, 0.7, 0.6, 0.5)
FEWEST_PATIENTS = 5
"""Below so many patients no interval over patients is given."""


def reading_numbers(bundle: Bundle) -> dict[str, Any]:
    """Compute the numbers of a reading: `parts`, by name, of each part as a whole and without excluded patients.

    A part called `inter` has an entry of that name, and one called `inter, clean` where patients of `about.excluded`,
    who are on both sides of the official split, have cycles in it. Each entry has

    - `cycles`, `patients`: how many;
    - `seeds`: by seed, the confusion matrix and the metrics (fractions; None where undefined);
    - `mean`, `sd`: of each metric over the seeds (sample deviation; None below two seeds);
    - `interval`: 95 % interval of the mean of each metric over other seeds, on these patients; None below three seeds
      (`evidence.seed_statistics`);
    - `patient_interval`: that of the mean score over other patients and other seeds (`evidence.patient_bootstrap`);
      None below three seeds or five patients;
    - `ensemble`: the metrics of the mean of the seeds' probabilities;
    - `calibration`: mean over the seeds of the expected calibration error and the Brier score;
    - `risk_coverage`: share of wrong answers of the ensemble among its most confident cycles, by their share;
    - `groups`: by property and value, cycles, patients, mean score and its `patient_interval`;
    - `baselines`: by plain method, its metrics, and `above`: how far the mean score over the seeds lies above its
      score, with the ends of the 95 % interval of that over other patients and other seeds, drawn in pairs; None where
      there is no `patient_interval`;
    - `unified`, where networks for all patients were read beside some for a population (`about.unified.configuration`
      is their number): their `seeds`, `mean` and `sd`, and `above`: how far the mean score of those for the population
      lies above theirs, with such ends, drawn in pairs of patient and seed.
    """
    excluded = list(bundle.about.get("excluded", ()))
    kept = ~np.isin(bundle.cycles.patients, excluded)
    parts = np.array(bundle.cycles.parts)
    numbers: dict[str, Any] = {}
    for part in dict.fromkeys(bundle.cycles.parts):
        rows = parts == part
        numbers[part] = _numbers(bundle, np.flatnonzero(rows))
        if (rows & ~kept).any() and (rows & kept).any():
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
    beside = bundle.about.get("unified")
    by_seed, unified = (
        {
            seed: kept[rows].astype(np.float64)
            for (number, seed), kept in bundle.predictions.items()
            if (beside is not None and number == beside["configuration"]) == for_all
        }
        for for_all in (False, True)
    )
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
        "interval": {metric: _interval([found[metric] for found in seeds.values()]) for metric in METRICS},
        "patient_interval": patient_interval(labels, patients, list(answers.values()), classes, formula),
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
        "baselines": {
            name: {
                **rates(confusion_matrix(labels, (answered := answers_of(kept[rows])), classes), formula),
                "above": _above(labels, patients, list(answers.values()), answered, classes, formula),
            }
            for name, kept in sorted(bundle.baselines.items())
        },
        **(
            {}
            if beside is None
            else {"unified": _unified(labels, patients, answers, unified, classes, formula)}
        ),
    }


def headline_of(found: Mapping[str, Any]) -> dict[str, Any]:
    """Choose what a ledger keeps of the numbers of a part, and of networks for all patients that were read beside."""
    kept = {key: found[key] for key in HEADLINE}
    if "unified" in found:
        kept["unified"] = {key: found["unified"][key] for key in ("mean", "above")}
    return kept


def _unified(
    labels: np.ndarray,
    patients: np.ndarray,
    answers: Mapping[int, np.ndarray],
    unified: Mapping[int, np.ndarray],
    classes: int,
    formula: str,
) -> dict[str, Any]:
    """Compute the numbers of networks for all patients, given their probabilities and the others' answers, by seed."""
    theirs = {seed: answers_of(unified[seed]) for seed in answers}
    confusions = {seed: confusion_matrix(labels, given, classes) for seed, given in theirs.items()}
    seeds = {seed: rates(confusion, formula) for seed, confusion in confusions.items()}
    drawn = _drawn(labels, patients, [[*answers.values()], [*theirs.values()]], classes, formula)
    return {
        "seeds": {
            str(seed): {"confusion": confusions[seed].tolist(), **found} for seed, found in seeds.items()
        },
        "mean": {metric: _mean([found[metric] for found in seeds.values()]) for metric in METRICS},
        "sd": {metric: _deviation([found[metric] for found in seeds.values()]) for metric in METRICS},
        "above": None if drawn is None else list(drawn.difference(0, 1)),
    }


def _above(
    labels: np.ndarray,
    patients: np.ndarray,
    answers: Sequence[np.ndarray],
    baseline: np.ndarray,
    classes: int,
    formula: str,
) -> list[float] | None:
    # A plain method is fitted once: beside every seed it answers the same.
    drawn = _drawn(labels, patients, [answers, [baseline] * len(answers)], classes, formula)
    return None if drawn is None else list(drawn.difference(0, 1))


def _groups(
    cycles: Cycles, name: str, rows: np.ndarray, answers: Mapping[int, np.ndarray], bundle: Bundle
) -> dict[str, Any]:
    values = np.array([cycles.groups[name][row] for row in rows])
    found = {}
    for value in sorted(set(values.tolist()) - {""}, key=_in_order):
        inside = values == value
        labels, patients = cycles.labels[rows][inside], cycles.patients[rows][inside]
        given = [answer[inside] for answer in answers.values()]
        scores = [score(confusion_matrix(labels, one, len(bundle.labels)), bundle.formula) for one in given]
        found[value] = {
            "cycles": int(inside.sum()),
            "patients": len(np.unique(patients)),
            "score": _mean(scores),
            "patient_interval": patient_interval(labels, patients, given, len(bundle.labels), bundle.formula),
        }
    return found


def _in_order(value: str) -> list[int | str]:
    """Sort `6 to 12` before `13 to 17`."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"(\d+)", value)]


def patient_interval(
    labels: np.ndarray, patients: np.ndarray, answers: Sequence[np.ndarray], classes: int, formula: str
) -> list[float] | None:
    """95 % interval of the mean score over seeds, for other patients of the same kind and other seeds.

    `labels` and `patients` are (cycles,), as is each seed's entry of `answers`. See `evidence.patient_bootstrap`. None
    below three seeds and five patients, and where a draw of patients hardly ever has normal and abnormal cycles.
    """
    drawn = _drawn(labels, patients, [answers], classes, formula)
    return None if drawn is None else list(drawn.interval(0))


def _drawn(
    labels: np.ndarray,
    patients: np.ndarray,
    systems: Sequence[Sequence[np.ndarray]],
    classes: int,
    formula: str,
) -> PatientDraws | None:
    """Draw patients for systems with equally many seeds; None where there are too few seeds or patients."""
    if len(np.unique(patients)) < FEWEST_PATIENTS or len(systems[0]) < FEWEST_SEEDS:
        return None
    counts = patient_counts(patient_confusion(labels, patients, systems, classes))
    # A part whose normal, or abnormal, cycles are of one or two patients says nothing of others.
    if min((counts.normal > 0).sum(), (counts.abnormal > 0).sum()) < FEWEST_PATIENTS // 2:
        return None
    return draw_patients(counts, formula)


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None


def _deviation(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.std(known, ddof=1)) if len(known) > 1 else None


def _interval(values: Sequence[float | None]) -> list[float] | None:
    mean, deviation = _mean(values), _deviation(values)
    if mean is None or deviation is None or None in values:
        return None
    found = rate_interval(mean, deviation, len(values))
    return None if found is None else list(found)
