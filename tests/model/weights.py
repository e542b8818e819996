"""Weights under the names that a network has for them, to be laid out as somebody published them and compared."""

from typing import Any

import torch
from torch import Tensor, nn

from model.dass import DASS
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone

Weights = dict[str, Tensor]


def dass(variant: Any, num_classes: int) -> DASS:
    """A DASS for 64 x 64 log-mels, without smoothing, its stem normed as in published weights."""
    built = build_backbone(
        BackboneConfig(variant=variant, stem="layer_norm"), SmoothingConfig(stage=None), num_classes, (64, 64)
    )
    assert isinstance(built, DASS)
    return built


def tiny_weights() -> Weights:
    """Random numbers under the names and in the shapes of a tiny DASS with AudioSet's 527 classes."""
    return {key: torch.randn_like(value) for key, value in dass("tiny", 527).state_dict().items()}


def differing(model: nn.Module, weights: Weights) -> list[str]:
    """Names of the tensors in which a model and `weights` differ."""
    return [key for key, value in model.state_dict().items() if not torch.equal(value, weights[key])]
