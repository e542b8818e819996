"""A trained network's answers: probabilities of cycles, from weights on disk or in the middle of a run."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import nn

from data.batches import Examples
from data.task import Task
from model.own_network import check_own_network
from model.pretrained import load_pretrained
from model.registry import Network, build_backbone
from model.training.inputs import inputs_of
from model.training.recipe import Recipe


@dataclass(frozen=True)
class RecordingPrediction:
    """What networks answer to a recording: the probabilities of a task's labels for each of its cycles.

    `spans`: start and end of each cycle, in seconds from the start of the recording, which lasts `duration_s`.
    `answered_by`: which of several networks answered, by age of the patient; empty where there is no choice.
    """

    path: Path
    duration_s: float
    labels: tuple[str, ...]
    spans: tuple[tuple[float, float], ...]
    probabilities: Float[np.ndarray, "cycles labels"]
    answered_by: str = ""

    @property
    def answers(self) -> tuple[str, ...]:
        """The most probable label of each cycle."""
        return tuple(self.labels[label] for label in self.probabilities.argmax(axis=1))

    @property
    def of_recording(self) -> Float[np.ndarray, " labels"]:
        """Probabilities for the whole recording: the mean over its cycles, weighted by how long each is."""
        lengths = [end_s - start_s for start_s, end_s in self.spans]
        return np.average(self.probabilities, axis=0, weights=lengths)

    @property
    def answer(self) -> str:
        """The most probable label of the whole recording."""
        return self.labels[int(self.of_recording.argmax())]


def load_network(recipe: Recipe, task: Task, weights: Path, device: str | torch.device) -> nn.Module:
    """Build the network of a recipe for a task, with the weights in a file, head included, ready to answer.

    Raises PretrainedError when the file does not hold the weights of this network.
    """
    network = random_network(recipe, task)
    load_pretrained(network, str(weights), head=True)
    return network.to(device).eval()


def random_network(recipe: Recipe, task: Task) -> Network:
    """Build the network of a recipe for a task with random weights, whatever file the recipe starts from."""
    # That file need not be there any more.
    backbone = recipe.backbone.model_copy(update={"pretrained": None})
    return build_backbone(
        backbone, recipe.smoothing, task.num_classes, recipe.input_shape, frozen=recipe.frozen
    )


def try_own_network(recipe: Recipe, task: Task) -> None:
    """Have a network of the user's own answer before anything is trained with a recipe; other networks are not tried.

    Raises ConfigError for what cannot be imported, built, or trained so.
    """
    if recipe.backbone.is_own:
        check_own_network(
            recipe.backbone,
            task.num_classes,
            recipe.input_shape,
            contrasted=recipe.contrasts,
        )


def predict(
    network: nn.Module, examples: Examples, recipe: Recipe, device: torch.device, *, chunks: int = 1
) -> tuple[Float[np.ndarray, "cycles classes"], Int[np.ndarray, " cycles"]]:
    """Compute the probabilities of the task's labels for cycles as they are, and the label that is answered.

    The network's mode, training or not, is the caller's. `chunks`: into how many parts a batch is divided, for a device
    that cannot hold it whole. Of examples that are embedded the network is given the features: it is a head.
    Probabilities that are not finite are returned as they are.
    """
    probabilities, answers = [], []
    size = max(1, 4 * recipe.batch_size // chunks)
    with torch.no_grad():
        for features, _ in examples.to(device).batches(torch.arange(len(examples)).split(size)):
            inputs = inputs_of(examples, features, recipe)
            with autocast(recipe, device):
                logits = network(inputs)
            probabilities.append(logits.float().softmax(dim=1))
            answers.append(logits.argmax(dim=1))
    return torch.cat(probabilities).cpu().numpy(), torch.cat(answers).cpu().numpy()


def autocast(recipe: Recipe, device: torch.device) -> AbstractContextManager[Any]:
    """Compute in the precision that a recipe asks for while the block runs: bf16, or float32."""
    wanted = recipe.precision
    if wanted == "bf16" or (wanted == "auto" and device.type == "cuda"):
        return torch.autocast(device.type, dtype=torch.bfloat16)
    return nullcontext()
