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


def statistics(examples: Examples) -> Float[np.ndarray, "cycles statistics"]:
    """Mean, standard deviation and 10th, 50th and 90th percentile over time of each mel band."""
    features = next(examples.batches([torch.arange(len(examples))]))[0]
    shares = torch.tensor([0.1, 0.5, 0.9])
    percentiles = torch.quantile(features, shares, dim=1)
    return torch.cat([features.mean(1), features.std(1), *percentiles], dim=1).numpy()


def confusion(
    name: str, seed: int, train: Examples, validation: Examples, classes: int
) -> Int[np.ndarray, "classes classes"]:
    """Fit the method of that name to the training cycles, and count its answers on the validation cycles."""
    method = METHODS[name](seed)
    truth = validation.labels.numpy()
    if method is None:
        return confusion_matrix(truth, np.zeros_like(truth), classes)
    method.fit(statistics(train), train.labels.numpy())
    return confusion_matrix(truth, method.predict(statistics(validation)), classes)
