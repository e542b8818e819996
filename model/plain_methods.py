"""What classical classifiers reach on statistics of the log-mels: the least that a network has to beat."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from data.batches import Examples
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix

METHODS: Mapping[str, Callable[[int], Any]] = {
    "always normal": lambda seed: None,
    "logistic regression": lambda seed: make_pipeline(
        StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=3000, C=0.1)
    ),
    # With leaves of a few cycles it calls hardly any breath abnormal.
    "random forest": lambda seed: RandomForestClassifier(
        400, class_weight="balanced_subsample", min_samples_leaf=30, random_state=seed, n_jobs=-1
    ),
}
FITTED = ("logistic regression", "random forest")
"""The methods that hear the cycles."""
_CYCLES = 512
"""Cycles whose features are in memory at a time."""


def statistics(examples: Examples) -> Float[np.ndarray, "cycles statistics"]:
    """Mean, standard deviation and 10th, 50th and 90th percentile over time of each mel band."""
    shares = torch.tensor([0.1, 0.5, 0.9])
    found = []
    for features, _ in examples.batches(list(torch.arange(len(examples)).split(_CYCLES))):
        percentiles = torch.quantile(features, shares, dim=1)
        found.append(torch.cat([features.mean(1), features.std(1), *percentiles], dim=1))
    return torch.cat(found).numpy()


def fitted(
    name: str, seed: int, train: Examples, classes: int
) -> Callable[[Examples], Float[np.ndarray, "cycles classes"]]:
    """Fit the method of that name to cycles; returns what gives the probabilities of others."""
    method = METHODS[name](seed)
    if method is not None:
        method.fit(statistics(train), train.labels.numpy())

    def probabilities(examples: Examples) -> Float[np.ndarray, "cycles classes"]:
        found = np.zeros((len(examples), classes))
        if method is None:
            found[:, 0] = 1.0
        else:
            # A class without a training cycle is never answered.
            found[:, method.classes_] = method.predict_proba(statistics(examples))
        return found

    return probabilities


def confusion(
    name: str, seed: int, train: Examples, validation: Examples, classes: int
) -> Int[np.ndarray, "classes classes"]:
    """Fit the method of that name to the training cycles, and count its answers on the validation cycles."""
    answers = answers_of(fitted(name, seed, train, classes)(validation))
    return confusion_matrix(validation.labels.numpy(), answers, classes)
