"""Confusion matrix to specificity, sensitivity and a score: fractions, or None where undefined."""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Rate = TypeVar("Rate", float, np.ndarray)
"""A rate, or an array of rates."""


def average_score(specificity: Rate, sensitivity: Rate) -> Rate:
    """Arithmetic mean of the two rates: the ICBHI Score, and AS of the BioCAS challenges."""
    return (specificity + sensitivity) / 2


def harmonic_score(specificity: Rate, sensitivity: Rate) -> Rate:
    """Harmonic mean of the two rates, HS of the BioCAS challenges; 0 when both are 0."""
    both = specificity + sensitivity
    return 2 * specificity * sensitivity / (both + (both == 0))  # pyright: ignore[reportReturnType]


def challenge_score(specificity: Rate, sensitivity: Rate) -> Rate:
    """Score of the BioCAS challenges: (AS + HS) / 2.

    Reference: Zhang et al., "Grand Challenge on Respiratory Sound Classification", IEEE BioCAS 2022.
    """
    return (average_score(specificity, sensitivity) + harmonic_score(specificity, sensitivity)) / 2


SCORES = {"average": average_score, "challenge": challenge_score, "harmonic": harmonic_score}
"""Formulas of a task's score; `harmonic` is none, and what a study may rank by (`evidence.objectives`)."""


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Count cycles, given their true and predicted labels, (cycles,): row = true class, column = predicted class.

    Raises ValueError when a label is not one of 0 .. classes-1.
    """
    for name, labels in (("truth", truth), ("predicted", predicted)):
        if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes):
            raise ValueError(
                f"{name}: labels run from {int(labels.min())} to {int(labels.max())}; with {classes} classes "
                f"they must lie in 0..{classes - 1}"
            )
    cells = np.bincount(truth.astype(np.int64) * classes + predicted, minlength=classes**2)
    return cells.reshape(classes, classes)


def specificity(confusion: np.ndarray) -> float | None:
    """Share of the normal cycles (class 0) called normal; None when there is no normal cycle."""
    return _share(confusion[0, 0], confusion[0].sum())


def sensitivity(confusion: np.ndarray, any_abnormal: bool = False) -> float | None:
    """Share of the abnormal cycles that are found; None when there is no abnormal cycle.

    Strictly, a cycle is found under its own class alone: called abnormal, but of the wrong kind, is a miss.
    With `any_abnormal` every abnormal answer counts: the papers' "2-class" evaluation of a model that tells more kinds.
    """
    abnormal = confusion[1:]
    found = abnormal[:, 1:].sum() if any_abnormal else np.trace(confusion) - confusion[0, 0]
    return _share(found, abnormal.sum())


def score(confusion: np.ndarray, formula: str, any_abnormal: bool = False) -> float | None:
    """Compute a score, in [0, 1], by one of the formulas in `SCORES`; None when either rate is undefined.

    It is not a macro average: the abnormal classes are pooled before the mean is taken.
    """
    normal_found, abnormal_found = specificity(confusion), sensitivity(confusion, any_abnormal)
    if normal_found is None or abnormal_found is None:
        return None
    return SCORES[formula](normal_found, abnormal_found)


def recall_per_class(confusion: np.ndarray) -> list[float | None]:
    """Share of each true class that is called by its own name; None for a class without cycles."""
    return [_share(row[index], row.sum()) for index, row in enumerate(confusion)]


def _share(found: np.integer, total: np.integer) -> float | None:
    return int(found) / int(total) if total else None
