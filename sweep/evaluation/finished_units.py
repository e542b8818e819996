"""What the finished units of a configuration have come to: its recipe, and the weights of each seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors

from data.atomic import make_folder
from model.training.recipe import Recipe
from sweep.folder.study_folder import StudyFolder
from sweep.study.units import Configuration, unit_id
from sweep.worker.unit_results import UnitResultError, read_weights


@dataclass(frozen=True)
class FinishedUnits:
    """A recipe, the number of its configuration, and for each seed a file of weights and its SHA-256 (hex)."""

    recipe: Recipe
    configuration: int
    weights: Mapping[int, Path]
    sha256: Mapping[int, str]


def finished_units(
    folder: StudyFolder, chosen: Configuration, seeds: Sequence[int], scratch: Path
) -> FinishedUnits:
    """Fetch the weights of some seeds of a study's configuration into the folder `scratch`.

    Raises UnitResultError when the study kept none of a seed, or the file there is damaged or of another unit, recipe or
    epoch, and OSError when its place does not answer.
    """
    recipe = folder.config().space.recipe(chosen.values)
    weights, sha256 = {}, {}
    make_folder(scratch / "weights")
    for seed in seeds:
        content = read_weights(folder.checkpoints, chosen.number, seed)
        weights[seed] = scratch / "weights" / f"{unit_id(chosen.number, seed)}.safetensors"
        weights[seed].write_bytes(content)
        _check_notes(weights[seed], recipe, unit_id(chosen.number, seed))
        sha256[seed] = hashlib.sha256(content).hexdigest()
    return FinishedUnits(recipe, chosen.number, weights, sha256)


def _check_notes(weights: Path, recipe: Recipe, unit: str) -> None:
    """Compare what a file of weights says of itself with the unit that it is read for. Raises UnitResultError."""
    expected = {"unit": unit, "recipe": recipe.digest(), "epoch": str(recipe.epochs)}
    try:
        with safetensors.safe_open(weights, "pt") as file:
            notes = file.metadata() or {}
    except safetensors.SafetensorError as error:
        raise UnitResultError(f"weights of {unit}: not a file of weights ({error})") from error
    for name, value in expected.items():
        if notes.get(name) != value:
            raise UnitResultError(
                f"weights of {unit}: of {name} {str(notes.get(name))[:12]!r}; expected {value[:12]!r}, as the unit left "
                "them"
            )
