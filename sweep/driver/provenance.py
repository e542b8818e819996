"""What the numbers of a study rest on: task, recordings, folds, weights, versions, the code's commit."""

from __future__ import annotations

from typing import Any

from model.training.recipe import Recipe
from sweep.driver.versions import commit, versions
from sweep.worker.weights import weights_of


def provenance_of(task: str, data_hash: str, fold_hash: str, weights_hash: str | None) -> dict[str, Any]:
    """Write down what a number rests on: task, data, folds and weights (SHA-256, hex), versions, this clone's commit."""
    return {
        "task": task,
        "data_hash": data_hash,
        "fold_hash": fold_hash,
        "weights_hash": weights_hash,
        "commit": commit(),
        "versions": versions(),
    }


def weights_hash(recipe: Recipe) -> str | None:
    """Compute the SHA-256 (hex) of the weights that a recipe starts from; None when they are random.

    Raises PretrainedError when the weights are not there.
    """
    weights = weights_of(recipe)
    return None if weights is None else weights.sha256
