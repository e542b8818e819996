"""A tiny recipe, and data that a tiny network learns in seconds."""

import dataclasses

import torch

from data.batches import Examples
from data.origins import Origins
from data.settings import parse
from model.training.epoch_metrics import EpochMetrics
from model.training.recipe import Recipe

FRAMES, MELS = 40, 32
SMALL = {
    "backbone": {"name": "dass", "variant": "tiny", "drop_path_rate": 0.1},
    "features": {"target_frames": 32, "n_mels": MELS},
    "augment": {"time_width": 5, "frequency_width": 5},
    "optimiser": {"learning_rate": 3e-3, "weight_blend": 0.2},
    "smoothing": {"stage": 1, "kernel_size": 3},
    "batch_size": 8,
    "epochs": 3,
}


def recipe(**changes: object) -> Recipe:
    return parse(Recipe, {**SMALL, **changes}, "test")


def tones(cycles: int, seed: int) -> Examples:
    """Noise with a bright band whose height is the label, of patients of five cycles each, on three devices."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(cycles) % 4
    features = 0.3 * torch.randn(cycles, FRAMES, MELS, generator=generator)
    for row, label in enumerate(labels.tolist()):
        features[row, :, 8 * label : 8 * label + 4] += 1
    patients = torch.arange(cycles) // 5
    return Examples(features, labels, origins=Origins(patients, patients % 3, ("A", "B", "C")))


def without_time(history: list[EpochMetrics]) -> list[EpochMetrics]:
    return [dataclasses.replace(metrics, seconds=0.0) for metrics in history]
