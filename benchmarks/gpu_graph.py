"""The section of `benchmarks/gpu_check.py` about steps that are replayed from a CUDA graph, beside the plain ones.

Without a GPU a stand-in calls the captured pass again, so that all else of the section runs.
"""

from __future__ import annotations

import gc
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import bench
import torch
from called_again import CalledAgain
from gpu_found import Found
from gpu_unit import noise

from data.task import ICBHI
from model.mixup import draw_mixup
from model.patch_mix import draw_mix
from model.training.optim import optimise_step
from model.training.recipe import Recipe
from model.training.step_batch import StepBatch
from model.training.step_graph import CHECKED, StepGraph
from model.training.training import Training

MOST_OFF = 1e-3
"""Relative difference of an epoch's loss, of which a GPU makes some by adding up in another order each time."""
STEPS = 5
"""Of the epoch that is trained both ways."""
NO_MASKS = {"time_masks": 0, "frequency_masks": 0}
SETUPS: dict[str, dict[str, Any]] = {
    "DASS-small, batch 16": {"backbone": {"name": "dass", "variant": "small"}, "batch_size": 16},
    "DASS-small, batch 4": {"backbone": {"name": "dass", "variant": "small"}, "batch_size": 4},
    "DASS-small, batch 4, SAM": {
        "backbone": {"name": "dass", "variant": "small"},
        "batch_size": 4,
        "optimiser": {"sam_rho": 0.05, "clip_norm": 1.0},
    },
    "CNN-TSA, batch 16": {
        "backbone": {"name": "cnn_tsa"},
        "smoothing": {"stage": None},
        "batch_size": 16,
    },
    "AST, batch 8, mixup": {
        "backbone": {"name": "ast"},
        "smoothing": {"stage": None},
        "patch_mix": {"axes": []},
        "mixup": {"alpha": 0.4},
        "batch_size": 8,
    },
}
DRY = ("DASS-small, batch 4, SAM", "AST, batch 8, mixup")
"""Rows of a dry run."""


def graphs(device: torch.device) -> Found:
    """Train an epoch plainly and replayed, compare them, and time a step of both, host and device apart."""
    cuda = device.type == "cuda"
    rows, missed, lines = [], [], []
    for name in SETUPS if cuda else DRY:
        settings = SETUPS[name]
        recipe = graph_recipe(settings, tiny=not cuda)
        runs: dict[str, Training] = {}
        peaks, losses = dict[str, int](), dict[str, float]()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            for way in ("plain", "replayed"):
                before = _forget_peak(device)
                runs[way] = _begin(recipe, device, replayed=way == "replayed")
                losses[way] = runs[way].run_epoch().train_loss
                peaks[way] = torch.cuda.max_memory_reserved(device) - before if cuda else 0
        off = abs(losses["replayed"] / losses["plain"] - 1)
        messages = [text for one in told if "CUDA graph" in (text := str(one.message))]
        missed += graph_bars(name, off, messages)
        actions = {way: _step(training, device) for way, training in runs.items()}
        times = bench.time_in_turn(actions, 5 if cuda else 1, device, CHECKED + 1 if cuda else 1)
        for way, action in actions.items():
            host = bench.number(_host_ms(action)) if cuda else "-"
            rows.append((f"{name}, {way}", times[way].cell("ms"), host, bench.mib(peaks[way]), f"{off:.0e}"))
        lines.append(f"{name} {bench.ratio(times['plain'], times['replayed']):.1f}")
    bench.print_table(("step", "ms", "host alone, ms", "peak, MiB", "loss of an epoch off by"), rows)
    return Found(f"times as fast: {', '.join(lines)}" if cuda else f"{len(rows)} steps", tuple(missed))


def graph_recipe(settings: dict[str, Any], *, tiny: bool) -> Recipe:
    """Make the recipe of a row; `tiny` for a CPU: the smallest network, frames and batch."""
    backbone = {**settings["backbone"], **({"variant": "tiny"} if tiny else {})}
    return Recipe.model_validate(
        {
            **settings,
            "backbone": backbone,
            "features": {"n_mels": 32 if tiny else 128, "target_frames": 32 if tiny else 1024},
            "augment": NO_MASKS,
            "batch_size": 2 if tiny else settings["batch_size"],
            "epochs": 3,
        }
    )


def graph_bars(name: str, off: float, told: Sequence[str]) -> Iterator[str]:
    """Say what a row missed: `told` are the warnings of both runs, and `off` is how far their losses are apart."""
    yield from (f"{name}: {one}" for one in told)
    if not off <= MOST_OFF:
        yield f"{name}: replayed, the loss of an epoch is off by {off:.1e}, above {MOST_OFF:g}"


def _forget_peak(device: torch.device) -> int:
    """Return the bytes that are held now, from which peaks are counted."""
    if device.type != "cuda":
        return 0
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    return torch.cuda.memory_reserved(device)


def _begin(recipe: Recipe, device: torch.device, *, replayed: bool) -> Training:
    data = noise(recipe, STEPS * recipe.batch_size), noise(recipe, 8)
    cuda = device.type == "cuda"
    training = Training(recipe, 1, *data, device=device, task=ICBHI, cuda_graphs=replayed and cuda)
    if replayed and not cuda:
        training.step_graph = StepGraph(training.modules, recipe.batch_size, device, CalledAgain())
    return training


def _step(training: Training, device: torch.device) -> Callable[[], object]:
    """Make a step of a run, on one batch."""
    recipe, cycles = training.recipe, training.recipe.batch_size
    draw = torch.Generator().manual_seed(0)
    inputs = torch.randn(cycles, *recipe.input_shape, generator=draw).to(device)
    labels = (torch.arange(cycles) % 4).to(device)
    beta, alpha = recipe.patch_mix.beta, recipe.mixup.alpha
    mixes = [draw_mix(axis, training.grid, cycles, beta, draw) for axis in recipe.patch_mix.axes]
    batch = StepBatch(inputs, labels, mixes, draw_mixup(cycles, alpha, draw) if alpha else None)
    training.modules.train()
    modules, optimiser = training.modules, training.optimiser
    return lambda: optimise_step(modules, optimiser, training.closure(batch), recipe.optimiser)


def _host_ms(action: Callable[[], object]) -> float:
    torch.cuda.synchronize()
    begun = time.perf_counter()
    action()
    milliseconds = 1e3 * (time.perf_counter() - begun)
    torch.cuda.synchronize()
    return milliseconds
