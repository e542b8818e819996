"""Searched fields by the short names that papers and tables give them."""

from __future__ import annotations

from collections.abc import Iterable

SHORT = {
    "patch_mix.temperature": "τ",
    "patch_mix.beta": "β",
    "device_contrast.weight": "device contrast",
    "device_contrast.adversarial_weight": "device adversary",
    "device_contrast.reversed": "reversed contrast",
    "patient_alignment.cohesion_weight": "patient cohesion",
    "patient_alignment.alignment_weight": "patient alignment",
    "smoothing.kernel_size": "K",
    "smoothing.sigma": "σ",
    "smoothing.stage": "stage",
    "optimiser.learning_rate": "learning rate",
    "features.bands.keep": "bands",
    "features.bands.ranges": "bands",
    "backbone.name": "backbone",
    "backbone.variant": "size",
}
"""Names of searched fields as papers write them."""


def short_name(path: str, paths: Iterable[str]) -> str:
    """Name a searched field as papers do, else by its last word, or its whole path where two end alike."""
    if path in SHORT:
        return SHORT[path]
    last = path.rpartition(".")[2]
    alone = sum(other.rpartition(".")[2] == last for other in paths) == 1
    name = last.replace("_", " ")
    return name if alone and name not in SHORT.values() else path
