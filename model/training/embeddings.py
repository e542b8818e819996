"""An encoder's pooled features of cycles, computed once for all heads, and what they depend on beside the weights."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float32
from torch import Tensor

from data.batches import Examples
from model.frozen import FrozenNetwork
from model.training.inputs import network_input
from model.training.recipe import Recipe
from model.weights_file import checkpoint_sha256, find_checkpoint

VERSION = 1
"""Raised whenever the same weights and settings would give other features, so that stored ones are computed anew."""
CYCLES_AT_ONCE = 32
"""Cycles in a batch of the encoder, whatever batches the head is trained in."""
NOT_OF_THE_FEATURES = ("pretrained", "scan_engine", "drop_path_rate", "dropout", "config")
"""Settings of a backbone on which a frozen one's features do not depend, beside its weights."""


def embed(
    network: FrozenNetwork, examples: Examples, recipe: Recipe, device: torch.device, *, chunks: int = 1
) -> Examples:
    """Compute the encoder's features of cycles as they are; returns the same cycles, embedded, in host memory.

    `chunks`: into how many parts a batch is divided, for a device that cannot hold it whole.
    """
    features = torch.cat([rows.cpu() for rows in _embedded(network, examples, recipe, device, chunks)])
    return Examples(features, examples.labels, origins=examples.origins, embedded=True)


def encoder_settings(recipe: Recipe) -> dict[str, Any]:
    """Collect the settings, as plain values, on which a frozen encoder's features of stored log-mels depend.

    Beside these they depend on the weights and on the log-mels alone: not on seed, head, loss, sampler or optimiser.
    """
    backbone = recipe.backbone.model_dump(mode="json", exclude={*NOT_OF_THE_FEATURES})
    return {
        "version": VERSION,
        "backbone": backbone,
        "smoothing": recipe.smoothing.model_dump(mode="json") if recipe.smoothing.stages else None,
        "bands": recipe.features.kept_bands,
        "fills_bands": recipe.fills_bands if recipe.features.kept_bands is not None else None,
        "target_frames": recipe.features.target_frames,
        "fill": recipe.features.fill,
    }


def encoder_sha256(recipe: Recipe) -> str:
    """SHA-256 (hex) of the file of a frozen encoder's weights, computed anew when the file has changed."""
    assert recipe.backbone.pretrained is not None, "a frozen encoder has weights to keep"
    return checkpoint_sha256(find_checkpoint(recipe.backbone.pretrained))


def _embedded(
    network: FrozenNetwork, examples: Examples, recipe: Recipe, device: torch.device, chunks: int
) -> list[Float32[Tensor, "batch width"]]:
    order = torch.arange(len(examples)).split(max(1, CYCLES_AT_ONCE // chunks))
    found = []
    network = network.to(device).eval()
    with torch.no_grad():
        for features, _ in examples.to(device).batches(order):
            found.append(network.embed(network_input(features, recipe)).float())
    return found
