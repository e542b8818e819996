"""What to change in a recipe whose training has left all numbers."""

from __future__ import annotations

from model.domain_parts import domain_weights
from model.training.recipe import Recipe


def what_may_help(recipe: Recipe) -> str:
    """Name the settings of a recipe that can drive a loss beyond all numbers, with their values."""
    optimiser, patch_mix = recipe.optimiser, recipe.patch_mix
    advice = [f"a lower optimiser.learning_rate (now {optimiser.learning_rate:g})"]
    if optimiser.sam_rho:
        advice.append(f"a lower optimiser.sam_rho (now {optimiser.sam_rho:g})")
    if patch_mix.axes:
        weights = [f"patch_mix.weight_{axis} (now {patch_mix.weight(axis):g})" for axis in patch_mix.axes]
        advice.append(f"a higher patch_mix.temperature (now {patch_mix.temperature:g})")
        advice.append(f"a lower {' or '.join(weights)}")
    on = [
        f"{name} (now {value:g})"
        for name, value in domain_weights(recipe.device_contrast, recipe.patient_alignment)
    ]
    if on:
        advice.append(f"a lower {' or '.join(on)}")
    return f"try {', '.join(advice)}"
