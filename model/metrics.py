"""Confusion matrix to specificity, sensitivity and a task's score: fractions, or None where undefined."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from data.task import Task


def confusion_matrix(
    truth: Int[Tensor, " cycles"], predicted: Int[Tensor, " cycles"], classes: int
) -> Int[np.ndarray, "classes classes"]:
    """Count cycles: row = true class, column = predicted class.

    Raises ValueError when a label is not one of 0 .. classes-1.
    """
    for name, labels in (("truth", truth), ("predicted", predicted)):
        if len(labels) and (int(labels.min()) < 0 or int(labels.max()) >= classes):
            raise ValueError(
                f"{name}: labels run from {int(labels.min())} to {int(labels.max())}; with {classes} classes "
                f"they must lie in 0..{classes - 1}"
            )
    cells = torch.bincount(truth.long() * classes + predicted.long(), minlength=classes**2)
    return cells.reshape(classes, classes).cpu().numpy()


def specificity(confusion: Int[np.ndarray, "classes classes"]) -> float | None:
    """Share of the normal cycles (class 0) called normal; None when there is no normal cycle."""
    return _share(confusion[0, 0], confusion[0].sum())


def sensitivity(confusion: Int[np.ndarray, "classes classes"], any_abnormal: bool = False) -> float | None:
    """Share of the abnormal cycles that are found; None when there is no abnormal cycle.

    Strictly, a cycle is found under its own class alone: called abnormal, but of the wrong kind, is a miss.
    With `any_abnormal` every abnormal answer counts: the papers' "2-class" evaluation of a model that tells more kinds.
    """
    abnormal = confusion[1:]
    found = abnormal[:, 1:].sum() if any_abnormal else np.trace(confusion) - confusion[0, 0]
    return _share(found, abnormal.sum())


def task_score(
    task: Task, confusion: Int[np.ndarray, "classes classes"], any_abnormal: bool = False
) -> float | None:
    """Compute the score of `task`, in [0, 1], from specificity and sensitivity; None when either is undefined.

    It is not a macro average: the abnormal classes are pooled before the mean is taken.
    """
    normal_found, abnormal_found = specificity(confusion), sensitivity(confusion, any_abnormal)
    if normal_found is None or abnormal_found is None:
        return None
    return task.score_of(normal_found, abnormal_found)


def recall_per_class(confusion: Int[np.ndarray, "classes classes"]) -> list[float | None]:
    """Share of each true class that is called by its own name; None for a class without cycles."""
    return [_share(row[index], row.sum()) for index, row in enumerate(confusion)]


def _share(found: np.integer, total: np.integer) -> float | None:
    return int(found) / int(total) if total else None
