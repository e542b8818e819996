"""What the numbers of a study rest on: task, recordings, folds, weights, versions, the code's commit."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from data.synthetic import made_by_default, made_up
from model.training.recipe import Recipe
from model.weights_file import PretrainedError, checkpoint_sha256, find_checkpoint, is_hub_id
from sweep.config.study_config import WEIGHTS, StudyConfig
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


def synthetic_breaths(recordings: Path) -> dict[str, Any] | None:
    """Say with what `data.synthetic` made up the recordings in a folder; None for all others.

    Under `again` is the command that makes them again, where one does.
    """
    made = made_up(recordings)
    if made is None or not made_by_default(made):
        return made
    return {"again": f"respsweep synth DIR --patients {made['patients']} --seed {made['seed']}", **made}


def weights_hash(recipe: Recipe) -> str | None:
    """Compute the SHA-256 (hex) of the weights that a recipe starts from; None when they are random.

    Raises PretrainedError when the weights are not there.
    """
    weights = weights_of(recipe)
    return None if weights is None else weights.sha256


def searched_weights_hashes(config: StudyConfig) -> dict[str, str]:
    """Compute the SHA-256 (hex) of each file of weights that a study searches among, by the name it has there.

    Left out are files that are not there, for want of which their own configurations alone will fail, and repositories
    of the hub.
    """
    found = {}
    for source in config.named_weights if WEIGHTS in config.search else ():
        if not is_hub_id(source):
            with contextlib.suppress(PretrainedError):
                found[source] = checkpoint_sha256(find_checkpoint(source))
    return found
