"""What the answer of a study's networks to one cycle of a recording rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from data.cycle_features import cycle_features
from data.settings import ConfigError
from model.attribution import Method, attribution, default_method
from model.training.inputs import kept_places, mean_baseline, network_input
from sweep.evaluation.predict import Predictor
from sweep.report.explained_cycle import ExplainedCycle


def explain(
    predictor: Predictor, audio: Path, cycle: int = 0, label: str | None = None, method: Method | None = None
) -> ExplainedCycle:
    """Share out among the cells of one cycle's spectrogram what the networks' logits of a label owe to them.

    `cycle` counts from 0. `label`: None for the one that is answered. `method`: None for what suits the network. Each
    network's shares are scaled to sum 1 before their mean is taken. Raises ConfigError for a cycle or a label that
    there is none of, or a method that is not for the network, and what `Predictor.predict` raises.
    """
    labels = predictor.task.labels
    if label is not None and label not in labels:
        raise ConfigError(f"label: must be one of {', '.join(labels)}, got {label}")
    answered = predictor.predict(audio)
    if not 0 <= cycle < len(answered.spans):
        raise ConfigError(f"cycle: {audio} has cycles 0 to {len(answered.spans) - 1}, got {cycle}")
    probabilities = answered.probabilities[cycle]
    chosen = int(probabilities.argmax()) if label is None else labels.index(label)
    recipe, span = predictor.recipe, answered.spans[cycle]
    (features,) = cycle_features(audio, [span], recipe.features)
    stored: torch.dtype = getattr(torch, recipe.features.storage)
    inputs = network_input(features.to(stored).float()[None].to(predictor.device), recipe)
    wanted = torch.tensor([chosen], device=predictor.device)
    method = method or default_method(predictor.networks[0])
    baseline, places = mean_baseline(inputs, recipe), kept_places(recipe)
    found = [attribution(network, inputs, wanted, method, baseline) for network in predictor.networks]
    given, *maps = (each[0].cpu().double().numpy()[:, places] for each in (inputs, *found))
    scaled = [each / each.sum() if each.sum() > 0 else each for each in maps]
    bands = list(recipe.features.kept_bands or range(recipe.features.n_mels))
    values = np.full((len(given), recipe.features.n_mels), np.nan)
    shares = np.zeros_like(values)
    values[:, bands], shares[:, bands] = given, np.mean(scaled, axis=0)
    return ExplainedCycle(
        audio=audio,
        span=span,
        seconds=recipe.features.duration_s,
        scale=recipe.features.mel_scale,
        label=labels[chosen],
        probability=float(probabilities[chosen]),
        method=method,
        values=values,
        shares=shares,
    )
