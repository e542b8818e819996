"""The wrong answers of which the best configuration was surest, with what was to be heard and seen."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from torch.nn.functional import adaptive_avg_pool2d

from data.cycle import Cycle
from data.cycle_features import cycle_features
from data.cycle_sound import cycle_sound
from data.dataset import Recording
from data.recipe_parts import FeatureConfig
from evidence.predictions import answers_of
from sweep.evaluation.best_answers import BestAnswers

MOST = 10
"""Wrong answers that are told."""
LONGEST_S = 10.0
"""Seconds of a cycle that are heard and seen, at most."""
FRAMES, BANDS = 240, 64
"""Cells of a picture, at most; finer spectrograms are averaged."""


@dataclass(frozen=True)
class WrongAnswer:
    """A validation cycle, by its row in the bundle, the wrong label, and the mean probabilities of all seeds."""

    row: int
    answer: int
    probabilities: Float64[np.ndarray, " labels"]


def confident_errors(found: BestAnswers) -> list[dict[str, Any]]:
    """List the wrong answers with the highest probability, of the mean of all seeds' networks, the surest first.

    Each has `patient`, `recording`, `start_s` and `end_s`, `label`, `answer`, `probability` (of the answer),
    `label_probability`, `seeds` (how many of them answer so), `sound` (Opus in an Ogg file, base64) and `spectrogram`:
    the log-mel that the network was given, without what pads it, of `bands` by `frames` cells of 0 to 255, lowest band
    first, base64. Sound and picture are at most `LONGEST_S` seconds long. Raises DataError for damaged audio.
    """
    cycles, labels = found.bundle.cycles, found.bundle.labels
    recordings = {recording.name: recording for recording in found.recordings.recordings}
    told = []
    for error in surest_errors(found):
        row, answer, label = error.row, error.answer, int(cycles.labels[error.row])
        recording = recordings[cycles.recordings[row]]
        cycle = recording.cycles[cycles.positions[row]]
        told.append(
            {
                "patient": recording.patient,
                "recording": recording.name,
                "start_s": cycle.start_s,
                "end_s": cycle.end_s,
                "label": labels[label],
                "answer": labels[answer],
                "probability": float(error.probabilities[answer]),
                "label_probability": float(error.probabilities[label]),
                "seeds": sum(int(given[row]) == answer for given in found.answers),
                **_heard_and_seen(recording, cycle, found.recipe.features),
            }
        )
    return told


def surest_errors(found: BestAnswers) -> list[WrongAnswer]:
    """Find the `MOST` wrong answers with the highest probability, the surest first."""
    together = np.mean([kept.astype(np.float64) for kept in found.bundle.predictions.values()], axis=0)
    answers, surest = answers_of(together), together.max(axis=1)
    wrong = np.flatnonzero(answers != found.bundle.cycles.labels)
    rows = wrong[np.argsort(-surest[wrong], kind="stable")][:MOST]
    return [WrongAnswer(int(row), int(answers[row]), together[row]) for row in rows]


def _heard_and_seen(recording: Recording, cycle: Cycle, config: FeatureConfig) -> dict[str, Any]:
    end_s = min(cycle.end_s, recording.duration_s, cycle.start_s + LONGEST_S)
    return {
        "sound": as_text(cycle_sound(recording.path, cycle.start_s, end_s)),
        "spectrogram": spectrogram(recording, cycle.start_s, end_s, config),
    }


def spectrogram(recording: Recording, start_s: float, end_s: float, config: FeatureConfig) -> dict[str, Any]:
    """Picture a stretch of a recording as a network with these features is given it, as `confident_errors` says."""
    shortest_s = (config.window_samples + 1) / config.sample_rate
    alone = config.model_copy(update={"duration_s": max(end_s - start_s, shortest_s), "padding": "repeat"})
    (features,) = cycle_features(recording.path, [(start_s, end_s)], alone)
    frames, bands = (min(most, size) for most, size in zip((FRAMES, BANDS), features.shape, strict=True))
    picture = adaptive_avg_pool2d(features.T[None], (bands, frames))[0]
    # The floor of bands without a line under them, and single cells, are not to take all shades.
    low, high = torch.quantile(picture, torch.tensor([0.02, 0.998])).tolist()
    shades = ((picture - low) / max(high - low, 1e-9)).clamp(0, 1) * 255
    return {
        "frames": frames,
        "bands": bands,
        "seconds": end_s - start_s,
        "low_hz": config.low_hz,
        "high_hz": config.high_hz or config.sample_rate / 2,
        "cells": as_text(shades.to(torch.uint8).numpy().tobytes()),
    }


def as_text(content: bytes) -> str:
    """Write bytes as base64, as a page holds them."""
    return base64.b64encode(content).decode()
