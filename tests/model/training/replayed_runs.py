"""Short runs of every kind of network whose steps are replayed, and plain ones to hold them against."""

from typing import Any

import torch

from data.task import ICBHI
from model.training.step_graph import StepGraph
from model.training.training import Training
from tests.model.training.tiny_run import recipe, tones, without_time

NO_MIX: dict[str, Any] = {"patch_mix": {"axes": []}, "smoothing": {"stage": None}}
WAYS: dict[str, dict[str, Any]] = {
    "dass, both axes": {},
    "dass, bf16": {"precision": "bf16"},
    "dass, form paper": {"patch_mix": {"form": "paper", "axes": ["time", "cells"]}},
    "dass, form paper_inverse": {"patch_mix": {"form": "paper_inverse", "negatives": "different_label"}},
    "dass, batch norm, sam": {
        "backbone": {"variant": "tiny", "drop_path_rate": 0.1, "stem": "batch_norm"},
        "optimiser": {"learning_rate": 1e-3, "sam_rho": 0.05, "clip_norm": 1.0, "weight_blend": 0.2},
    },
    "ast, mixup": {"backbone": {"name": "ast", "variant": "tiny"}, "mixup": {"alpha": 0.4}, **NO_MIX},
    "cnn_tsa": {"backbone": {"name": "cnn_tsa", "variant": "tiny"}, "smoothing": {"stage": None}},
    "cnn_tsa, sam": {
        "backbone": {"name": "cnn_tsa", "variant": "tiny"},
        "optimiser": {"sam_rho": 0.05, "sam_adaptive": True},
        **NO_MIX,
    },
    "beats": {"backbone": {"name": "beats", "variant": "tiny"}, **NO_MIX},
    "focal loss": {"loss": {"focal_gamma": 2.0, "class_weights": "inverse_frequency"}},
}


def run(cycles: int = 29, capture: Any = None, **changes: Any) -> Training:
    """Begin a run of batches of 8, and a smaller last one; with `capture` its steps are replayed."""
    settings = recipe(**{"sampling": {"drop_last": False}, "epochs": 2, **changes})
    training = Training(settings, 1, tones(cycles, 0), tones(8, 1), device="cpu", task=ICBHI)
    if capture is not None:
        training.step_graph = graph_of(training, capture)
    return training


def graph_of(training: Training, capture: Any) -> StepGraph:
    return StepGraph(training.modules, training.recipe.batch_size, training.device, capture)


def assert_equal(one: Training, other: Training) -> None:
    assert without_time(one.history) == without_time(other.history)
    torch.testing.assert_close(one.modules.state_dict(), other.modules.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(one.optimiser.state_dict(), other.optimiser.state_dict(), rtol=0, atol=0)
