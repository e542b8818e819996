"""What the numbers of a study rest on: task, recordings, folds, weights, versions, the code's commit."""

from __future__ import annotations

import importlib.metadata
import subprocess
from pathlib import Path
from typing import Any

from model.training.recipe import Recipe
from sweep.worker.weights import weights_of

PACKAGES = ("respsweep", "torch", "torchaudio", "ray", "optuna", "mlflow", "numpy")


def provenance_of(task: str, data_hash: str, fold_hash: str, weights_hash: str | None) -> dict[str, Any]:
    """Write down what a number rests on: task, data, folds and weights (SHA-256, hex), versions, this clone's commit."""
    return {
        "task": task,
        "data_hash": data_hash,
        "fold_hash": fold_hash,
        "weights_hash": weights_hash,
        "commit": _commit(),
        "versions": {package: importlib.metadata.version(package) for package in PACKAGES},
    }


def weights_hash(recipe: Recipe) -> str | None:
    """Compute the SHA-256 (hex) of the weights that a recipe starts from; None when they are random.

    Raises PretrainedError when the weights are not there.
    """
    weights = weights_of(recipe)
    return None if weights is None else weights.sha256


def _commit() -> str | None:
    """Find the commit of the clone this runs from, with `-dirty` when files differ from it; None outside a clone."""
    try:
        described = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return described.stdout.strip()
