"""The numbers of a study's finished units and configurations on its validation cycles."""

from __future__ import annotations

from typing import Any

import numpy as np

from evidence.bundle import Bundle
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix, score, sensitivity, specificity

METRICS = ("score", "sensitivity", "specificity", "any_abnormal_score")


def unit_numbers(confusion: np.ndarray, formula: str) -> dict[str, Any]:
    """Compute what a unit reports of the epoch that stands for it, given its confusion matrix, (classes, classes)."""
    return {
        "confusion": confusion.tolist(),
        "score": score(confusion, formula),
        "sensitivity": sensitivity(confusion),
        "specificity": specificity(confusion),
        "any_abnormal_score": score(confusion, formula, any_abnormal=True),
    }


def configuration_numbers(units: list[dict[str, Any]]) -> dict[str, Any]:
    """Compute mean and sample deviation (None for one seed) of each metric over the units of a configuration."""
    values = {metric: [unit[metric] for unit in units] for metric in METRICS}
    return {
        metric: {
            "mean": float(np.mean(found)),
            "sd": float(np.std(found, ddof=1)) if len(found) > 1 else None,
            "seeds": len(found),
        }
        for metric, found in values.items()
    }


def validation_numbers(bundle: Bundle) -> dict[str, Any]:
    """Compute the numbers of a bundle of validation predictions.

    `units`: by configuration and seed. `configurations`: by number, of those with all their seeds by `about.seeds`.
    `ranking`: the numbers of these by mean score, the best first; equal means by number.
    """
    labels, classes = bundle.cycles.labels, len(bundle.labels)
    units: dict[int, dict[int, dict[str, Any]]] = {}
    for (number, seed), kept in sorted(bundle.predictions.items()):
        confusion = confusion_matrix(labels, answers_of(kept), classes)
        units.setdefault(number, {})[seed] = unit_numbers(confusion, bundle.formula)
    closed = set(bundle.about.get("closed", ()))
    complete = {
        number: configuration_numbers([found[seed] for seed in bundle.about["seeds"]])
        for number, found in units.items()
        if set(found) >= set(bundle.about["seeds"]) and number not in closed
    }
    return {
        "units": {
            str(number): {str(seed): unit for seed, unit in found.items()} for number, found in units.items()
        },
        "configurations": {str(number): found for number, found in complete.items()},
        "ranking": sorted(complete, key=lambda number: (-complete[number]["score"]["mean"], number)),
    }
