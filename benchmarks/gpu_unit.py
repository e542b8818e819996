"""Sections of `benchmarks/gpu_check.py` about one unit: a pause in an epoch, and a memory that is full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from gpu_found import Found, NotHereError
from torch import Tensor

from data.batches import Examples
from data.task import ICBHI
from model.training.recipe import Recipe
from model.training.training import Training


def unit(device: torch.device) -> Found:
    """Pause a unit in the middle of an epoch, take it up from its state, and compare it with one that was left alone."""
    variant = "small" if device.type == "cuda" else "tiny"
    recipe = small_recipe(variant, 256 if device.type == "cuda" else 32, epochs=1)
    data = noise(recipe, 48), noise(recipe, 16)
    data = data[0].to(str(device)), data[1].to(str(device))

    def begin() -> Training:
        return Training(recipe, 1, *data, device=str(device), task=ICBHI)

    alone = begin().run_epoch()
    first, asked = begin(), iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    state = first.state_dict()
    second = begin()
    second.load_state_dict(state)
    resumed = second.run_epoch()
    off = abs(resumed.train_loss / alone.train_loss - 1)
    # A GPU adds up in an order of its own.
    assert off < (1e-3 if device.type == "cuda" else 1e-12), f"the loss is off by {off:.1e}"
    size = sum(x.nbytes for x in _tensors(state)) / 2**20
    return Found(f"paused and resumed: loss off by {off:.0e}; state {size:.0f} MiB")


def full_memory(device: torch.device) -> Found:
    """Fill the memory until a step does not fit, tell that it did not, and train on in chunks."""
    from model.out_of_memory import is_out_of_memory

    if device.type != "cuda":
        raise NotHereError("a CPU pages before its memory is full")
    recipe = small_recipe("small", 512, epochs=1)
    data = tuple(noise(recipe, 32).to("cuda") for _ in range(2))
    free, _ = torch.cuda.mem_get_info()
    held = torch.empty(max(0, free - 5 * 2**30), dtype=torch.uint8, device="cuda")
    try:
        Training(recipe, 1, *data, device="cuda", task=ICBHI).run_epoch()
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        told = "a step that did not fit was told as such"
    else:
        told = "all fitted in 5 GiB"
    torch.cuda.empty_cache()
    metrics = Training(recipe, 1, *data, device="cuda", task=ICBHI, accumulate=8).run_epoch()
    del held
    return Found(f"{told}; in 8 chunks the epoch ends, loss {metrics.train_loss:.2f}")


def small_recipe(variant: str, frames: int, epochs: int) -> Recipe:
    """Make the recipe of a DASS on `frames` frames, without masks."""
    return Recipe.model_validate(
        {
            "backbone": {"name": "dass", "variant": variant},
            "features": {"n_mels": 128 if variant != "tiny" else 32, "target_frames": frames},
            "augment": {"time_masks": 0, "frequency_masks": 0},
            "epochs": epochs,
        }
    )


def noise(recipe: Recipe, cycles: int) -> Examples:
    """Draw log-mels that are noise, with the four classes in turn."""
    draw = torch.Generator().manual_seed(cycles)
    features = torch.randn(cycles, recipe.features.frames, recipe.features.n_mels, generator=draw)
    return Examples(features, torch.arange(cycles) % 4)


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _tensors(part)
