"""From stored log-mels to what a network sees: kept bands, masks, frames."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from data.augment import spec_augment
from data.batches import Examples
from data.features import model_input
from data.kept_bands import among_zeros, keep_bands
from model.training.recipe import Recipe


def network_input(
    features: Float[Tensor, "batch frames mels"], recipe: Recipe, masks: torch.Generator | None = None
) -> Float[Tensor, "batch input_frames input_mels"]:
    """Turn log-mels with all bands into a network's input, `recipe.input_shape` each, on the device where they lie.

    Bands are chosen first, so that what is not kept has no share in the mean that masks are filled with, and masks lie
    on kept bands alone. Then come the masks of SpecAugment, drawn from `masks` (None: none), and the resize along time;
    zeros take the places of missing bands last.
    """
    bands = recipe.features.kept_bands
    kept = keep_bands(features, bands)
    if masks is not None:
        kept = spec_augment(kept, recipe.augment, masks)
    resized = model_input(kept, recipe.features.target_frames, recipe.features.fill)
    return among_zeros(resized, bands, recipe.features.n_mels) if recipe.fills_bands else resized


def inputs_of(
    examples: Examples, features: Tensor, recipe: Recipe, masks: torch.Generator | None = None
) -> Tensor:
    """Turn a batch of examples, as they give it, into what is trained on it: log-mels by `network_input`.

    A frozen encoder's features (`examples.embedded`), (batch, width), are the head's input as they are.
    """
    return features if examples.embedded else network_input(features, recipe, masks)


def kept_places(recipe: Recipe) -> list[int]:
    """Places of the kept bands in a network's input: where they ever were, or closed up where others are dropped."""
    kept = recipe.features.kept_bands
    return list(range(recipe.input_shape[1])) if kept is None or not recipe.fills_bands else list(kept)


def mean_baseline(
    inputs: Float[Tensor, "batch input_frames input_mels"], recipe: Recipe
) -> Float[Tensor, "batch input_frames input_mels"]:
    """Put the mean of each input's kept bands in all their cells; bands that are not kept stay 0."""
    places = kept_places(recipe)
    baseline = torch.zeros_like(inputs)
    baseline[:, :, places] = inputs[:, :, places].mean(dim=(1, 2), keepdim=True)
    return baseline
