"""A study with a known answer, of any size, for tests of its report."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from evidence.objectives import objective_of
from evidence.scores import sensitivity
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.events import (
    ConfigurationDropped,
    EpochReported,
    Event,
    StudyStarted,
    StudyStopped,
    UnitFinished,
    UnitPruned,
)
from tests.sweep.histories import added, epoch, reported, timed, write_journal

SEEDS = (1, 2, 3)
SEARCH = {
    "optimiser.learning_rate": {"type": "float", "low": 1e-4, "high": 1e-2, "log": True},
    "patch_mix.beta": {"type": "float", "low": 0.2, "high": 2.0},
    "smoothing.stage": {"type": "categorical", "choices": [0, 2, None]},
}
ANSWERS: dict[str, Any] = {
    "missing": None,
    "number": 12,
    "seeds": 3,
    "cycles": 300,
    "patients": 14,
    "score_name": "ICBHI Score",
    "score": 0.7123456789,
    "interval": [0.62, 0.79],
    "groups": [
        {"by": by, "value": value, "cycles": 100, "patients": patients, "score": score, "interval": interval}
        for by, value, patients, score, interval in (
            ("age", "0 to 5", 9, 0.74, [0.61, 0.83]),
            ("age", "65 and over", 4, 0.66, None),
            ("device", "AKGC417L", 6, 0.72, [0.6, 0.8]),
            ("device", "Meditron", 8, 0.58, [0.41, 0.73]),
            ("sex", "F", 7, None, None),
            ("site", "Al", 7, 0.7, [0.5, 0.85]),
        )
    ],
    "errors": None,
    "no_maps": None,
    "worst": [
        {"patient": 301, "cycles": 20, "right": 0.25, "mixed_up": "crackle called normal: 30 of 36 answers"},
        {"patient": 305, "cycles": 31, "right": 0.4, "mixed_up": "wheeze called normal: 22 of 50 answers"},
    ],
}
"""What is told of the answers of the best configuration, made up."""
CONFUSION = [[40, 5, 3, 2], [6, 20, 3, 1], [4, 2, 12, 2], [1, 1, 2, 6]]


def errors_of(sound: bytes, number: int = 10) -> list[dict[str, Any]]:
    """Make up the most confident errors, all of which sound alike, and the largest maps of what they rest on."""
    picture = {"frames": 240, "bands": 64, "seconds": 2.5, "low_hz": 50.0, "high_hz": 8000.0}
    cells = np.random.default_rng(1).integers(256, size=(64, 240), dtype=np.uint8)
    rests_on = {"seed": 2, "seed_probability": 0.981, "method": "grad_cam", "frames": 96, "bands": 64}
    told = {
        "patient": 301,
        "recording": "301_1b1_Al_sc_Meditron",
        "start_s": 1.25,
        "end_s": 3.75,
        "label": "crackle",
        "answer": "normal",
        "probability": 0.97,
        "label_probability": 0.02,
        "seeds": 3,
        "sound": base64.b64encode(sound).decode(),
        "spectrogram": {**picture, "cells": base64.b64encode(cells.tobytes()).decode()},
        "map": {
            **rests_on,
            "padding": 0.12,
            "cells": base64.b64encode(cells[:, :96].tobytes()).decode(),
        },
    }
    return [{**told, "patient": 301 + one % 3} for one in range(number)]


def reported_study(
    studies: Path, configurations: int = 24, name: str = "told", **changes: Any
) -> StudyFolder:
    """Write a study whose learning rate decides its scores: the nearer to 1e-3 the better, and nothing else matters."""
    config = StudyConfig.model_validate(
        {
            "search": SEARCH,
            "seeds": SEEDS,
            "recipe": {"epochs": 4},
            "budget": {"configurations": max(1, configurations)},
            **changes,
        }
    )
    folder = StudyFolder.at(studies, name).create(config)
    folder.write_provenance(
        {"study_id": "1" * 32, "task": "icbhi", "data_hash": "ab" * 32, "fold_hash": "cd" * 32}
    )
    started = StudyStarted(config.seeds, objective=objective_of(config.objectives), at=0.0)
    events = timed(started, *_history(configurations, config.seeds), StudyStopped("over"), apart=2.0)
    write_journal(folder.journal, events)
    return folder


def _last_epoch(score: float) -> dict[str, Any]:
    rates = epoch(4, score, confusion=CONFUSION)
    found = sensitivity(np.array(CONFUSION), any_abnormal=True)
    assert found is not None
    return {**rates, "any_abnormal_score": (rates["specificity"] + found) / 2}


def _history(configurations: int, seeds: tuple[int, ...]) -> Iterator[Event]:
    random = np.random.default_rng(3)
    for number in range(configurations):
        rate = float(10 ** random.uniform(-4, -2))
        true = 0.8 - 0.1 * abs(np.log10(rate) + 3)
        yield from added(
            number,
            **{
                "optimiser.learning_rate": rate,
                "patch_mix.beta": float(random.uniform(0.2, 2.0)),
                "smoothing.stage": [0, 2, None][random.integers(3)],
            },
        )
        curve = [true - 0.1, true - 0.05]
        if number % 3 == 2:
            yield from reported(number, 1, *curve)
            yield UnitPruned(number, 1, f"pruned at epoch 2: score {curve[-1]:.3f}")
        else:
            for seed in seeds if number % 3 == 0 else seeds[:1]:
                last = true + float(random.normal(0, 0.003))
                yield from reported(number, seed, *curve, last)
                yield EpochReported(number, seed, _last_epoch(last))
                yield UnitFinished(number, seed, 4)
            if number % 3 == 1 and len(seeds) > 1:
                yield ConfigurationDropped(number, f"dropped after seed 1: {true:.3f} against 0.800")
