"""How much each searched field matters for being among the best, by PED-ANOVA over the configurations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial

from sweep.config.parameters import AnyParameter
from sweep.search.values import distribution, encode

FEWEST = 8
"""Configurations with a score below which nothing is said."""
BEST_SHARE = 0.1
"""Share of the configurations that count as the best; what Optuna, and so optuna-dashboard, take unasked."""


def importances(
    parameters: Mapping[str, AnyParameter],
    points: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
) -> dict[str, float]:
    """Compute the share of each field in what tells the best configurations from the others; shares sum to 1.

    `points`: searched values by field, of configurations with the `scores` beside them. A field that a condition leaves
    out of some points is judged on those that have it. Empty for fewer than `FEWEST` points, and where all scores are
    equal. Reference: Watanabe, Bansal & Hutter, "PED-ANOVA: efficiently quantifying hyperparameter importance in
    arbitrary subspaces", IJCAI 2023.
    """
    if len(points) < FEWEST or len(set(scores)) < 2:
        return {}
    found: dict[str, float] = {}
    for name, parameter in parameters.items():
        rows = [row for row, point in enumerate(points) if name in point]
        if len(rows) < FEWEST or len({repr(points[row][name]) for row in rows}) < 2:
            found[name] = 0.0
            continue
        trials = [_trial(name, parameter, points[row][name], scores[row]) for row in rows]
        found[name] = _divergence(name, trials)
    total = sum(found.values())
    return {name: value / total for name, value in found.items()} if total > 0 else {}


def count_best(scores: Sequence[float]) -> int:
    """Count the configurations that `importances` takes as the best: a tenth, rounded up, and those as good."""
    last = sorted(scores, reverse=True)[math.ceil(BEST_SHARE * len(scores)) - 1]
    return sum(score >= last for score in scores)


def importance_intervals(
    parameters: Mapping[str, AnyParameter],
    points: Sequence[Mapping[str, Any]],
    scores: Sequence[float],
    *,
    draws: int = 40,
) -> dict[str, tuple[float, float]]:
    """Interval of 90 % of each share over configurations drawn anew with replacement; empty where there is no share."""
    random = np.random.default_rng(0)
    drawn = []
    for _ in range(draws):
        rows = random.integers(len(points), size=len(points))
        if found := importances(parameters, [points[row] for row in rows], [scores[row] for row in rows]):
            drawn.append(found)
    if not drawn:
        return {}
    return {
        name: (float(low), float(high))
        for name in parameters
        for low, high in [np.quantile([found[name] for found in drawn], [0.05, 0.95])]
    }


def _trial(name: str, parameter: AnyParameter, value: Any, score: float) -> FrozenTrial:
    return optuna.trial.create_trial(
        params={name: encode(value)}, distributions={name: distribution(parameter)}, value=score
    )


def _divergence(name: str, trials: list[FrozenTrial]) -> float:
    with warnings.catch_warnings():
        # Its makers call the evaluator experimental.
        warnings.simplefilter("ignore")
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(direction="maximize", sampler=optuna.samplers.RandomSampler(seed=0))
        study.add_trials(trials)
        found = PedAnovaImportanceEvaluator(target_quantile=BEST_SHARE).evaluate(study, params=[name])
    return float(found.get(name, 0.0))
