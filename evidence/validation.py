"""The numbers of a study's finished units and configurations on its validation cycles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from evidence.bundle import Bundle
from evidence.comparison import compare, comparison_numbers
from evidence.objectives import OBJECTIVES
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix, score, sensitivity, specificity

METRICS = ("score", "sensitivity", "specificity", "any_abnormal_score")


def metrics_of(about: Mapping[str, Any]) -> tuple[str, ...]:
    """Name the numbers that a bundle claims of each unit: with another objective than these, that one as well."""
    return tuple(dict.fromkeys((*METRICS, ranked_by(about))))


def ranked_by(about: Mapping[str, Any]) -> str:
    """Name the number by which a bundle's configurations are ranked. Raises ValueError for an unknown objective."""
    objective = about.get("objective", "score")
    if objective not in OBJECTIVES:
        raise ValueError(f"objective {objective!r}; expected one of {', '.join(OBJECTIVES)}")
    return OBJECTIVES[objective]


MOST_TRIED = 1_000_000
"""Configurations of a study."""


def unit_numbers(confusion: np.ndarray, formula: str, metrics: Sequence[str] = METRICS) -> dict[str, Any]:
    """Compute what a unit reports of the epoch that stands for it, given its confusion matrix, (classes, classes)."""
    numbers = {
        "confusion": confusion.tolist(),
        "score": score(confusion, formula),
        "sensitivity": sensitivity(confusion),
        "specificity": specificity(confusion),
        "any_abnormal_score": score(confusion, formula, any_abnormal=True),
        "harmonic_score": score(confusion, "harmonic"),
    }
    return {name: numbers[name] for name in ("confusion", *metrics)}


def configuration_numbers(units: list[dict[str, Any]], metrics: Sequence[str] = METRICS) -> dict[str, Any]:
    """Compute mean and sample deviation (None for one seed) of each metric over the units of a configuration."""
    values = {metric: [unit[metric] for unit in units] for metric in metrics}
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
    `ranking`: the numbers of these by their mean, the best first; equal means by number. `about.objective` says the mean
    of what; without it, of the score. `comparison`: that of `evidence.comparison.comparison_numbers`, for which
    `about.tried` says how many configurations there were and `about.pruned` how many were pruned; None without these,
    and where `about.without_predictions` names units that finished and are not here. `about.ties` says which of them may
    be tied (`evidence.comparison.TIES`); bundles of earlier versions, without it, called dropped ones tied too.
    """
    metrics, metric = metrics_of(bundle.about), ranked_by(bundle.about)
    labels, classes = bundle.cycles.labels, len(bundle.labels)
    units: dict[int, dict[int, dict[str, Any]]] = {}
    for (number, seed), kept in sorted(bundle.predictions.items()):
        confusion = confusion_matrix(labels, answers_of(kept), classes)
        units.setdefault(number, {})[seed] = unit_numbers(confusion, bundle.formula, metrics)
    closed = set(bundle.about.get("closed", ()))
    complete = {
        number: configuration_numbers([found[seed] for seed in bundle.about["seeds"]], metrics)
        for number, found in units.items()
        if set(found) >= set(bundle.about["seeds"]) and number not in closed
    }
    ranking = sorted(complete, key=lambda number: (-complete[number][metric]["mean"], number))
    return {
        "units": {
            str(number): {str(seed): unit for seed, unit in found.items()} for number, found in units.items()
        },
        "configurations": {str(number): found for number, found in complete.items()},
        "ranking": ranking,
        "comparison": _comparison(bundle, units, ranking, metric),
    }


def _comparison(
    bundle: Bundle, units: dict[int, dict[int, dict[str, Any]]], ranking: list[int], metric: str
) -> dict[str, Any] | None:
    """Compare the configurations, if every unit that finished is in the bundle."""
    tried, about = bundle.about.get("tried"), bundle.about
    if tried is None or about["without_predictions"] or not ranking:
        return None
    if not isinstance(tried, int) or not max(units) < tried <= MOST_TRIED:
        raise ValueError(f"tried: {tried!r}; expected a number above {max(units)}, at most {MOST_TRIED}")
    scores = np.full((tried, len(about["seeds"])), np.nan)
    for number, found in units.items():
        for seed, unit in found.items():
            scores[number, about["seeds"].index(seed)] = unit[metric]
    ties = about.get("ties", "all")
    return comparison_numbers(compare(scores, ranking, about["pruned"], metric, ties=ties))
