"""How far probabilities can be believed: calibration errors, and what is gained by leaving doubtful cycles out."""

from __future__ import annotations

import numpy as np

BINS = 15
"""Bins of equal width in which confidence is compared with accuracy."""


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Mean distance between confidence and accuracy, in [0, 1], over bins of confidence, weighted by their cycles.

    `probabilities` is (cycles, classes), `labels` (cycles,). The confidence of a cycle is its largest probability.

    Reference: Guo et al., "On Calibration of Modern Neural Networks", ICML 2017, equation 5.
    """
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    distance = np.bincount(place, weights=confidence - right, minlength=bins)
    return float(np.abs(distance).sum() / len(labels))


def brier_score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean squared distance of the probabilities from the truth, in [0, 2]; (cycles, classes) and (cycles,).

    Reference: Brier, "Verification of forecasts expressed in terms of probability", 1950: the sum over all classes.
    """
    truth = np.eye(probabilities.shape[1])[labels]
    return float(((probabilities - truth) ** 2).sum(axis=1).mean())


def risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Share of wrong answers among the most confident cycles, for each number of them.

    Returns coverage, the share of all cycles that are answered, and risk, each (cycles,), from the most confident cycle
    alone to all. Of equally confident cycles the earlier ones come first.

    Reference: Geifman & El-Yaniv, "Selective Classification for Deep Neural Networks", NeurIPS 2017.
    """
    order = np.argsort(-probabilities.max(axis=1), kind="stable")
    wrong = (probabilities.argmax(axis=1) != labels)[order]
    count = np.arange(1, len(labels) + 1)
    return count / len(labels), np.cumsum(wrong) / count
