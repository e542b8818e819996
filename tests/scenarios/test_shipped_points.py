"""Every shipped study on real breaths, made small: its first points train an epoch with tiny networks."""

from __future__ import annotations

import math
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from data.batches import Examples
from model.training.checkpoint import save_checkpoint
from model.training.recipe import Recipe
from model.training.training import Training
from sweep.config.study_config import StudyConfig, read_study
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation

FILES = sorted((Path(__file__).parents[2] / "search_spaces").glob("*.yaml"))
POINTS = 3
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings(
        "default:.*a subset", "default:.*belong to population", "default:folds. none of"
    ),
]


def first_points(config: StudyConfig) -> list[dict[str, Any]]:
    """The points that a study begins with, or else the first that its parameters come to."""
    if config.enqueue:
        return [dict(point) for point in config.enqueue[:POINTS]]
    path = next(iter(config.space.parameters))
    probes = config.space.parameters[path].probes()
    return [config.space.point_with(path, value) for value in islice(probes, POINTS)]


def made_small(recipe: Recipe) -> Recipe:
    """The same recipe with a tiny network, short clips of few mel bands, small batches and one epoch."""
    content = recipe.model_dump(mode="json")
    features = content["features"]
    features["duration_s"] = 2.0
    if features["bands"] is None:
        features["n_mels"] = 32
    frames = (
        type(recipe.features).model_validate({**features, "target_frames": None, "fill": "resize"}).frames
    )
    features["target_frames"] = frames + 32 if features["fill"] == "raw_zero" else None
    content["backbone"] |= {"variant": "tiny", "pretrained": None, "stem": None, "drop_path_rate": None}
    content |= {"epochs": 1, "batch_size": 8}
    content["optimiser"]["warmup_epochs"] = 0
    if (frozen := content["frozen"])["encoder"]:
        frozen |= {"encoder": False, "hidden": 0, "dropout": 0.0}
    return Recipe.model_validate(content)


@cache
def preparation(directory: Path) -> DataPreparation:
    return DataPreparation(directory, task="icbhi", progress=False)


def few(examples: Examples, number: int) -> Examples:
    """Half of them normal."""
    normal = (examples.labels == 0).nonzero().flatten()[: number // 2]
    abnormal = (examples.labels != 0).nonzero().flatten()[: number // 2]
    return examples.take(torch.cat([normal, abnormal]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_first_points_of_a_shipped_study_train_on_real_breaths(
    path: Path, shared: Path, tmp_path: Path
) -> None:
    config = read_study(path)
    # Ages are those of SPRSound's children, and devices those of ICBHI.
    data = preparation(shared / ("sprsound" if path.stem == "age_models" else "icbhi_sample"))
    for number, point in enumerate(first_points(config)):
        recipe = config.space.recipe(config.space.active(point))
        small = made_small(recipe)
        train, validation = load_examples(data.prepare(small), small.folds.fold)
        parts = few(train, 48), few(validation, 24)
        training = Training(small, 1, *parts, task=data.task, device="cpu")
        metrics = training.run_epoch()
        if recipe.frozen.encoder:
            save_checkpoint(tmp_path / f"{number}.pt", training.state_dict())
            content = small.model_dump(mode="json") | {"frozen": recipe.frozen.model_dump(mode="json")}
            content["backbone"]["pretrained"] = str(tmp_path / f"{number}.pt")
            metrics = Training(
                Recipe.model_validate(content), 1, *parts, task=data.task, device="cpu"
            ).run_epoch()
        assert math.isfinite(metrics.train_loss)
        assert 0 <= metrics.score <= 1
        assert sum(map(sum, metrics.confusion)) == len(parts[1])
