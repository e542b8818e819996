"""One unit as a Ray Tune trainable: a step is an epoch, and its process is used again for the next unit."""

from __future__ import annotations

import functools
import json
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from ray import tune

from data.batches import Examples
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.fit import EpochMetrics, Training, select_epoch
from model.training.recipe import Recipe
from sweep.board import unit_id
from sweep.config import ResourcesConfig
from sweep.recordings import Material, load_examples

MAY_PASS_ELSEWHERE = (OSError, MemoryError, torch.OutOfMemoryError)


class UnitTrainable(tune.Trainable):
    """Trains what its config says, see `unit_config`.

    Each result holds `reports`: the epochs not yet reported by this process, so that a unit that lost its worker after
    a checkpoint but before its report tells that epoch again. An error of the training itself is the unit's result
    (`failure`): it would come again on any machine. A lost process, a full memory or a disk that does not answer makes
    Ray start the unit anew, at most `resources.max_failures` times.
    """

    def setup(self, config: dict[str, Any]) -> None:
        self._open(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        self._open(new_config)
        return True

    def step(self) -> dict[str, Any]:
        try:
            if self._failure is None:
                return self._train_epoch()
        except MAY_PASS_ELSEWHERE:
            raise
        except Exception as error:
            self._failure = _explain(error)
        return {"reports": [], "failure": self._failure, "done": True}

    def _open(self, config: dict[str, Any]) -> None:
        self._failure: str | None = None
        self._reported = 0
        # The last unit's tensors must be gone before the next one's are made.
        self._training: Training | None = None
        self._checkpoint = (
            Path(config["folder"]) / unit_id(config["configuration"], config["seed"]) / "checkpoint.pt"
        )
        try:
            torch.set_num_threads(config["threads"])
            self._recipe = Recipe.model_validate_json(config["recipe"])
            material = Material(**json.loads(config["material"]))
            train, validation = _examples(material, self._recipe.folds.fold)
            training = Training(self._recipe, config["seed"], train, validation, device=config["device"])
            if self._checkpoint.exists():
                training.load_state_dict(load_checkpoint(self._checkpoint))
            self._training = training
        except MAY_PASS_ELSEWHERE:
            raise
        except Exception as error:
            self._failure = _explain(error)

    def _train_epoch(self) -> dict[str, Any]:
        training = self._training
        assert training is not None
        if not training.done:
            training.run_epoch()
            save_checkpoint(self._checkpoint, training.state_dict())
        news = training.history[self._reported :]
        self._reported = training.epoch
        result: dict[str, Any] = {"reports": [report(metrics) for metrics in news], "done": training.done}
        if training.done:
            result["selected_epoch"] = select_epoch(training.history, self._recipe).epoch
        return result


def unit_config(
    configuration: int,
    seed: int,
    recipe: Recipe,
    material: Material,
    folder: Path,
    resources: ResourcesConfig,
) -> dict[str, Any]:
    """What a worker needs to train a unit: plain values, and paths that it can read.

    Recipe and material travel as JSON, as Tune copies every key of a config into every result.
    """
    return {
        "configuration": configuration,
        "seed": seed,
        "recipe": recipe.model_dump_json(),
        "material": json.dumps(asdict(material)),
        "folder": str(folder),
        "threads": max(1, int(resources.cpu)),
        "device": "cuda" if resources.gpu else "cpu",
    }


def report(metrics: EpochMetrics) -> dict[str, Any]:
    """An epoch in the words of the board: the rates, the losses, the confusion matrix."""
    return {
        "epoch": metrics.epoch,
        "score": metrics.score,
        "sensitivity": metrics.sensitivity,
        "specificity": metrics.specificity,
        "any_abnormal_score": metrics.any_abnormal_score,
        "train_loss": metrics.train_loss,
        "cross_entropy": metrics.cross_entropy,
        **{f"contrast_{axis}": loss for axis, loss in metrics.contrast.items()},
        "learning_rate": metrics.learning_rate,
        "skipped_steps": metrics.skipped_steps,
        "seconds": metrics.seconds,
        "confusion": metrics.confusion,
    }


@functools.lru_cache(maxsize=2)
def _examples(material: Material, fold: int) -> tuple[Examples, Examples]:
    return load_examples(material, fold)


def _explain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
