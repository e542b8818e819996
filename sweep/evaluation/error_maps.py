"""What the most confident errors rest on: for each the map of one network's attribution, over the cycle's time."""

from __future__ import annotations

import math
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from data.cycle import Cycle
from data.cycle_features import cycle_features
from data.dataset import Recording
from data.errors import UserError
from data.recipe_parts import FeatureConfig
from model.ast import AST
from model.attribution import Method, attribution, default_method
from model.beats import BEATs
from model.frozen import encoder_of
from model.out_of_memory import is_out_of_memory
from model.scan_engines import DEVICES
from model.training.inputs import kept_places, mean_baseline, network_input
from model.training.prediction import load_network
from model.training.recipe import Recipe
from sweep.evaluation.best_answers import BestAnswers
from sweep.evaluation.confident_errors import BANDS, LONGEST_S, WrongAnswer, as_text, surest_errors
from sweep.evaluation.finished_units import finished_units
from sweep.folder.study_folder import StudyFolder
from sweep.worker.unit_results import has_weights

FRAMES = 96
"""Cells of a map along time, at most: ten maps take 80 KiB of a page."""


def error_maps(folder: StudyFolder, found: BestAnswers) -> tuple[list[dict[str, Any]], str | None]:
    """Map what each of `confident_errors` rests on, in their order; or no maps, and in one line why there are none.

    A map explains one network: of the seeds whose weights lie in the study, the one that gave the wrong answer the
    highest probability. Each has `seed`, `seed_probability` (of the answer, by that network), `method`, `padding` (the
    share of the attribution that lies on what pads the cycle), and `cells`: the attribution of the answered class over
    the stretch that the error's spectrogram shows, `bands` by `frames` cells of 0 to 255, lowest band first, base64.
    255 is the highest of the map; all are 0 where nothing speaks for the answer.
    """
    errors = surest_errors(found)
    maps: dict[int, dict[str, Any]] = {}
    try:
        by_seed: dict[int, list[WrongAnswer]] = defaultdict(list)
        kept = _seeds_with_weights(folder, found)
        for wrong in errors:
            by_seed[max(kept, key=lambda seed: _probability(found, seed, wrong))].append(wrong)
        for seed, some in by_seed.items():
            network = _network(folder, found, seed)
            maps |= {wrong.row: _map(network, found, seed, wrong) for wrong in some}
    except (UserError, OSError) as error:
        return [], _line(str(error))
    except (RuntimeError, MemoryError) as error:
        # Why gradients cannot reach the input of a network of the user's own, only its author can say.
        if not (is_out_of_memory(error) or found.recipe.backbone.is_own):
            raise
        return [], _line(f"{type(error).__name__}: {error}")
    return [maps[wrong.row] for wrong in errors], None


def map_method(network: nn.Module) -> Method:
    """Choose attention rollout for an AST or a BEATs, Grad-CAM for a CNNTSA, integrated gradients for all others.

    Rollout takes one pass, where integrated gradients of as large a network take 32 forth and back.
    """
    return "attention_rollout" if isinstance(encoder_of(network), AST | BEATs) else default_method(network)


def cycle_attribution(
    network: nn.Module, recording: Recording, cycle: Cycle, label: int, recipe: Recipe
) -> Float64[np.ndarray, "input_frames mels"]:
    """Attribute the logit of a label to the cells that a network is given of a cycle, by `map_method`; 0 or more.

    `mels` are all bands of the features; those that the network is not given have 0. Raises DataError for damaged audio.
    """
    device = next(network.parameters()).device
    (features,) = cycle_features(recording.path, [(cycle.start_s, cycle.end_s)], recipe.features)
    # As they were stored, and read back.
    stored: torch.dtype = getattr(torch, recipe.features.storage)
    inputs = network_input(features.to(stored).float()[None].to(device), recipe)
    baseline = mean_baseline(inputs, recipe)
    given = attribution(network, inputs, torch.tensor([label], device=device), map_method(network), baseline)[
        0
    ].cpu()
    bands = list(recipe.features.kept_bands or range(recipe.features.n_mels))
    shares = np.zeros((len(given), recipe.features.n_mels))
    shares[:, bands] = given.double().numpy()[:, kept_places(recipe)]
    return shares


def over_cycle(
    shares: Float[np.ndarray, "input_frames mels"], config: FeatureConfig, cycle_s: float, shown_s: float
) -> Float64[np.ndarray, "mels cells"]:
    """Bring an attribution from the frames of a clip to the time of the cycle in it, of which `shown_s` are shown.

    A frame belongs to the moment in its middle. Where the clip repeats a cycle of `cycle_s` seconds, the mean over the
    repeats is taken; what the clip cuts off has 0. There is a cell for each frame, but `FRAMES` at most.
    """
    length_s, before_s, repeats = _layout(config, cycle_s)
    frames = len(shares) if config.fill == "resize" else config.frames
    seen = max(1, round(shown_s * config.sample_rate / config.shift_samples * frames / config.frames))
    cells = min(FRAMES, seen)
    finer = 2 * math.ceil(seen / cells)
    moments = shown_s * (np.arange(cells * finer) + 0.5) / (cells * finer)
    total, count = np.zeros((shares.shape[1], len(moments))), np.zeros(len(moments))
    for repeat in range(repeats):
        in_clip = before_s + repeat * length_s + moments
        heard = (moments < length_s) & (in_clip < config.duration_s)
        places = _frame_of(in_clip[heard], frames, config)
        total[:, heard] += [np.interp(places, np.arange(len(band)), band) for band in shares.T]
        count += heard
    return (total / np.maximum(count, 1)).reshape(len(total), cells, finer).mean(axis=2)


def padding_share(
    shares: Float[np.ndarray, "input_frames mels"], config: FeatureConfig, cycle_s: float
) -> float:
    """Compute which share of an attribution lies on frames whose middle is no part of the cycle, but silence beside it.

    Repeats of a cycle are part of it. 0 for an attribution that is 0 everywhere.
    """
    of_frames = shares.sum(axis=1)
    computed = of_frames if config.fill == "resize" else of_frames[: config.frames]
    within = computed.sum()
    if config.padding == "zeros":
        length_s, before_s, _ = _layout(config, cycle_s)
        first, last = _frame_of(np.array([before_s, before_s + length_s]), len(computed), config)
        places = np.arange(len(computed))
        within = computed[(places >= first) & (places <= last)].sum()
    return float(1 - within / of_frames.sum()) if of_frames.sum() > 0 else 0.0


def _layout(config: FeatureConfig, cycle_s: float) -> tuple[float, float, int]:
    """Seconds of a cycle that its clip has, seconds of the clip before them, and how often they come, as begun."""
    length_s = min(cycle_s, config.duration_s)
    if config.padding == "zeros":
        return length_s, (config.duration_s - length_s) / 2, 1
    return length_s, 0.0, math.ceil(config.duration_s / length_s)


def _frame_of(
    moments_s: Float64[np.ndarray, " moments"], frames: int, config: FeatureConfig
) -> Float64[np.ndarray, " moments"]:
    """Find which of `frames`, as a fraction, has its middle at a moment of the clip; the nearest one at both ends."""
    # Frames of stft_db are centred on their shifts.
    middle = config.window_samples / 2 if config.front_end == "kaldi" else 0.0
    computed = (moments_s * config.sample_rate - middle) / config.shift_samples
    resized = (computed + 0.5) * frames / config.frames - 0.5
    return resized.clip(0, frames - 1)


def _line(text: str) -> str:
    return " ".join(text.split())


def _seeds_with_weights(folder: StudyFolder, found: BestAnswers) -> list[int]:
    """Find the seeds whose networks can be explained; where there is none, all, of which the first will be missed."""
    seeds = [seed for _, seed in found.bundle.predictions]
    kept = [seed for seed in seeds if has_weights(folder.checkpoints, found.configuration, seed)]
    return kept or seeds


def _probability(found: BestAnswers, seed: int, error: WrongAnswer) -> float:
    """Probability that a seed's network gave to a wrong answer."""
    return float(found.bundle.predictions[found.configuration, seed][error.row, error.answer])


def _network(folder: StudyFolder, found: BestAnswers, seed: int) -> nn.Module:
    (best,) = (one for one in folder.board().configurations if one.number == found.configuration)
    # An engine of the selective scan may run on one kind of device alone.
    here = "cuda" if torch.cuda.is_available() else "cpu"
    device = DEVICES.get(found.recipe.backbone.scan_engine, here)
    with tempfile.TemporaryDirectory(prefix="respsweep-maps-") as scratch:
        units = finished_units(folder, best, [seed], Path(scratch))
        return load_network(units.recipe, units.task, units.weights[seed], device)


def _map(network: nn.Module, found: BestAnswers, seed: int, error: WrongAnswer) -> dict[str, Any]:
    cycles, config = found.bundle.cycles, found.recipe.features
    name = cycles.recordings[error.row]
    (recording,) = (one for one in found.recordings.recordings if one.name == name)
    cycle = recording.cycles[cycles.positions[error.row]]
    cycle_s = min(cycle.end_s, recording.duration_s) - cycle.start_s
    shares = cycle_attribution(network, recording, cycle, error.answer, found.recipe)
    shown = over_cycle(shares, config, cycle_s, min(cycle_s, LONGEST_S))
    bands, frames = min(BANDS, len(shown)), shown.shape[1]
    picture = adaptive_avg_pool2d(torch.from_numpy(shown)[None], (bands, frames))[0].numpy()
    most = picture.max()
    cells = np.rint(255 * picture / most) if most > 0 else picture
    return {
        "seed": seed,
        "seed_probability": _probability(found, seed, error),
        "method": map_method(network),
        "padding": padding_share(shares, config, cycle_s),
        "frames": frames,
        "bands": bands,
        "cells": as_text(cells.astype(np.uint8).tobytes()),
    }
