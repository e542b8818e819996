"""What the best configuration of a study answered on its validation cycles: by groups, by patients."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from data.dataset import DataSet
from evidence.bundle import Bundle
from evidence.predictions import answers_of, check_probabilities
from evidence.reading import reading_numbers
from evidence.worst_patients import PatientAnswers, worst_patients
from model.training.recipe import Recipe
from sweep.evaluation.scored_cycles import some_rows, validated_rows
from sweep.evaluation.validation_bundle import BundleExportError, training_cycles
from sweep.folder.study_folder import StudyFolder
from sweep.report.board_in_words import why_no_best
from sweep.worker.unit_results import read_predictions

WORST = 10
"""Patients that are listed."""


@dataclass(frozen=True)
class BestAnswers:
    """Number and recipe of the best configuration, the recordings, and its answers as a bundle without claims."""

    configuration: int
    recipe: Recipe
    recordings: DataSet
    bundle: Bundle

    @property
    def answers(self) -> list[np.ndarray]:
        """The label that each seed gave to each cycle, (cycles,) a seed."""
        return [answers_of(kept) for kept in self.bundle.predictions.values()]


def answers_of_best(folder: StudyFolder, data: Path | None = None) -> BestAnswers:
    """Collect what all seeds of the best configuration answered on the validation cycles.

    `data`: where the recordings lie, unless where the study says. Raises BundleExportError when there is no best
    configuration, nobody was held out, no predictions were kept, or the recordings are others now, and ConfigError or
    DataError when they are not there.
    """
    config, board = folder.config(), folder.board()
    best = board.best()
    if best is None:
        raise BundleExportError(why_no_best(board))
    recipe = config.space.recipe(best.values)
    if recipe.folds.fold is None:
        raise BundleExportError("nobody was held out in this study")
    found = {seed: read_predictions(folder.predictions, best.number, seed) for seed in board.seeds}
    predictions = {(best.number, seed): kept for seed, kept in found.items() if kept is not None}
    if len(predictions) < len(found):
        raise BundleExportError(f"of configuration {best.number} not all predictions were kept")
    with warnings.catch_warnings(action="ignore"):
        recordings, cycles, folds = training_cycles(folder, recipe.folds, data)
    validated = some_rows(cycles, validated_rows(recordings, cycles, folds, recipe.folds))
    task = recordings.task
    for (number, seed), kept in predictions.items():
        try:
            check_probabilities(kept, len(validated), task.num_classes)
        except ValueError as error:
            raise BundleExportError(f"predictions of configuration {number}, seed {seed}: {error}") from error
    bundle = Bundle("validation", task.labels, task.score, {}, {}, validated, predictions)
    return BestAnswers(best.number, recipe, recordings, bundle)


def told_answers(found: BestAnswers) -> dict[str, Any]:
    """Tell how the best configuration's validation cycles were answered, as plain values for a report.

    Keys: `number`, `seeds`, `cycles`, `patients`, `score_name`, `score` and its `interval`, `groups` (a row for each
    value of device, site, sex and age) and `worst` (the patients answered worst). Intervals are 95 %, over other
    patients and other seeds (`evidence.reading`).
    """
    bundle = found.bundle
    (numbers,) = reading_numbers(bundle)["parts"].values()
    return {
        "number": found.configuration,
        "seeds": len(bundle.predictions),
        "cycles": numbers["cycles"],
        "patients": numbers["patients"],
        "score_name": found.recordings.task.score_name,
        "score": numbers["mean"]["score"],
        "interval": numbers["patient_interval"],
        "groups": [
            {
                "by": by,
                "value": value,
                "cycles": group["cycles"],
                "patients": group["patients"],
                "score": group["score"],
                "interval": group["patient_interval"],
            }
            for by, values in numbers["groups"].items()
            for value, group in values.items()
        ],
        "worst": _worst(found),
    }


def _worst(found: BestAnswers) -> list[dict[str, Any]]:
    bundle = found.bundle
    patients = worst_patients(bundle.cycles.labels, bundle.cycles.patients, found.answers, len(bundle.labels))
    wrong = [one for one in patients if one.right < 1][:WORST]
    return [
        {"patient": one.patient, "cycles": one.cycles, "right": one.right, "mixed_up": _mixed_up(one, bundle)}
        for one in wrong
    ]


def _mixed_up(one: PatientAnswers, bundle: Bundle) -> str:
    assert one.true is not None, "an answer was wrong"
    assert one.given is not None, "an answer was wrong"
    return f"{bundle.labels[one.true]} called {bundle.labels[one.given]}: {one.mixed} of {one.asked} answers"
