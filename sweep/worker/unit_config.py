"""What a worker is told of a unit: plain values, and places that its machine can read."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from evidence.objectives import Objective
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.worker.prepared_data import PreparedData
from sweep.worker.weights import Weights

CHUNKS = 4
"""In how many parts a batch is trained after a device could not hold it whole."""


def unit_config(
    configuration: int,
    seed: int,
    recipe: Recipe,
    prepared: PreparedData,
    folder: Path | str,
    resources: ResourcesConfig,
    *,
    predictions: str | None = None,
    leak: str | None = None,
    published: bool = False,
    weights: Weights | None = None,
    whole_batches: bool = True,
    heard: int = 0,
    selected_by: Objective = "score",
) -> dict[str, Any]:
    """Write down what `sweep.worker.trainable.UnitTrainable` needs to train one unit.

    `folder`: where checkpoints are saved, see `sweep.worker.checkpoint.UnitCheckpoint`, and `predictions` where answers
    are kept, see `sweep.worker.unit_results`; None where they are not. `leak`: where answers to the test part are kept,
    if `prepared` has a test part, and `published` whether the unit is scored on that (`protocol: published`). `weights`:
    the recipe's pretrained ones, as a worker starts in another folder. `selected_by`: by what one of its epochs is
    better than another. `heard`: how many of its epochs the study knows, from earlier workers. Recipe, prepared data
    and weights travel as JSON, as Tune copies every key of a config into every result.
    """
    return {
        "configuration": configuration,
        "seed": seed,
        "recipe": recipe.model_dump_json(),
        "identity": recipe.digest(),
        "prepared": json.dumps(asdict(prepared)),
        "weights": weights and json.dumps(asdict(weights)),
        "folder": str(folder),
        "predictions": predictions,
        "leak": leak,
        "published": published,
        "threads": max(1, int(resources.cpu)),
        "device": "cuda" if resources.gpu else "cpu",
        "share": min(1.0, resources.gpu or 1.0),
        "accumulate": 1 if whole_batches else CHUNKS,
        "heard": heard,
        "checkpoint_minutes": resources.checkpoint_minutes,
        "cuda_graphs": resources.cuda_graphs == "auto",
        "selected_by": selected_by,
    }
