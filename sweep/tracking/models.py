"""The networks of a study's best configuration as MLflow models, each among the files of its unit's run; and files.

MLflow keeps a network as a pickle, for its formats without one cannot hold our selective scan. Who loads it runs what
is in the file, and needs our package `model` on the path of modules.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import inspect
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import numpy as np
import requests

from data.errors import UserError
from data.settings import parse
from data.task import Task, task_named
from model.training.recipe import Recipe
from sweep.storage.open_storage import open_storage
from sweep.storage.weights_files import read_whole
from sweep.tracking.messages import Files, Models, TrackingError
from sweep.tracking.runs import Runs

MODEL = "model"
"""Folder of the model among the files of a run: `runs:/RUN/model`."""
TAG = "respsweep.model"
"""Tag of a run with a model: the SHA-256 of its weights, or `FORMER`."""
FORMER = "no longer of the best configuration"


def log_models(runs: Runs, models: Models, ours: Path | None) -> None:
    """Bring MLflow's models of a study up to date: those of `models`, and a mark on the runs of others.

    A run that has the same weights already is left alone, so that this may be repeated. `ours`: the folder with the
    files of the study's runs, if they lie in its own; a study that was moved since its runs began has them elsewhere,
    and gets no models. Units without a run or without weights are passed over.

    Raises TrackingError when weights are damaged, or files cannot be written; what MLflow raises when it is away.
    """
    recipe, task = parse(Recipe, dict(models.recipe), "recipe"), task_named(models.task)
    client = runs.client
    for name, run in runs.all().items():
        known = run.data.tags.get(TAG)
        if name not in models.units:
            if known not in (None, FORMER):
                client.set_tag(run.info.run_id, TAG, FORMER)
            continue
        if ours is not None and not _lies_in(run.info.artifact_uri, ours):
            continue
        try:
            content = read_whole(open_storage(models.place), f"{name}/{models.file}")
        except FileNotFoundError:
            continue
        digest = hashlib.sha256(content).hexdigest()
        if known == digest:
            continue
        about = {**models.about, "unit": name, "task": task.name, "weights_sha256": digest}
        try:
            with tempfile.TemporaryDirectory(prefix="respsweep-model-") as scratch:
                weights = Path(scratch) / "weights.safetensors"
                weights.write_bytes(content)
                # What MLflow and PyTorch say to programmers of their own ways is for nobody here.
                with warnings.catch_warnings(action="ignore"):
                    _save(recipe, task, weights, run.info.run_id, about, Path(scratch) / MODEL)
                client.log_artifacts(run.info.run_id, str(Path(scratch) / MODEL), MODEL)
        except requests.RequestException:
            raise
        except (UserError, OSError) as error:
            raise TrackingError(f"the model of {name}: {error}") from error
        # Last, so that a model that was cut off is sent again.
        client.set_tag(run.info.run_id, TAG, digest)


def log_files(runs: Runs, files: Files, ours: Path | None) -> None:
    """Put files beside those of a run, in place of older ones; a run that nobody has any more is passed over.

    `ours`: as of `log_models`. Raises TrackingError for files that cannot be read or written, and what MLflow raises
    when it is away.
    """
    run = runs.all().get(files.run)
    if run is None or (ours is not None and not _lies_in(run.info.artifact_uri, ours)):
        return
    for path in files.paths:
        try:
            runs.client.log_artifact(run.info.run_id, path)
        except requests.RequestException:
            raise
        except OSError as error:
            raise TrackingError(f"{path} of {files.run}: {error}") from error
    for name, text in files.texts.items():
        runs.client.log_text(run.info.run_id, text, name)


def _save(
    recipe: Recipe, task: Task, weights: Path, run_id: str, about: Mapping[str, str], folder: Path
) -> None:
    """Write a network as an MLflow model: from log-mels as the recipe makes them, (batch, frames, mels), to logits."""
    # They bring torch, which is not needed before a study is over.
    from mlflow import pytorch
    from mlflow.models import Model, ModelSignature
    from mlflow.types import Schema, TensorSpec

    from model.training.prediction import load_network

    # PyTorch pickles no weights with low-rank pairs beside them: a network without takes them into its weights.
    plain = recipe.model_copy(update={"backbone": recipe.backbone.model_copy(update={"lora": None})})
    shape = recipe.input_shape
    number = np.dtype("float32")
    signature = ModelSignature(
        inputs=Schema([TensorSpec(number, (-1, *shape))]),
        outputs=Schema([TensorSpec(number, (-1, task.num_classes))]),
    )
    save: Callable[..., None] = pytorch.save_model
    options: dict[str, Any] = {}
    if "serialization_format" in inspect.signature(save).parameters:
        options["serialization_format"] = "pickle"
    save(
        load_network(plain, task, weights, "cpu"),
        str(folder),
        mlflow_model=Model(artifact_path=MODEL, run_id=run_id),
        signature=signature,
        input_example=np.zeros((1, *shape), dtype=number),
        pip_requirements=[f"torch=={importlib.metadata.version('torch')}"],
        metadata={
            **about,
            **_bands(recipe),
            "labels": ", ".join(task.labels),
            "output": "logits of the labels",
        },
        **options,
    )


def _bands(recipe: Recipe) -> dict[str, str]:
    """Say which mel bands the network's input has or, where others are given as zeros, which of them count."""
    kept = recipe.features.kept_bands
    return {} if kept is None else {"mel_bands": ", ".join(map(str, kept))}


def _lies_in(uri: str | None, folder: Path) -> bool:
    path = urlparse(uri or "")
    return path.scheme in ("", "file") and Path(url2pathname(path.path)).is_relative_to(folder)
