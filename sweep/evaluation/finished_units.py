"""What the finished units of a configuration have come to: its recipe, and the weights of each seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import safetensors

from data.atomic import make_folder
from data.population import in_words
from data.task import Task
from model.training.recipe import Recipe
from sweep.config.study_parts import SyntheticConfig
from sweep.folder.study_folder import StudyFolder
from sweep.study.units import Configuration, unit_id
from sweep.worker.unit_results import UnitResultError, read_weights


@dataclass(frozen=True)
class FinishedUnits:
    """Networks of one configuration: recipe and task, and for each seed a file of weights and its SHA-256 (hex).

    `study` and `configuration` name where they are from, and `learned` what they learned from.
    """

    study: str
    configuration: int
    task: Task
    recipe: Recipe
    learned: str
    weights: Mapping[int, Path]
    sha256: Mapping[int, str]


def finished_units(
    folder: StudyFolder, chosen: Configuration, seeds: Sequence[int], scratch: Path
) -> FinishedUnits:
    """Fetch the weights of some seeds of a study's configuration into the folder `scratch`.

    Raises UnitResultError when the study kept none of a seed, or the file there is damaged or of another unit, recipe or
    epoch, and OSError when its place does not answer.
    """
    config = folder.config()
    recipe = config.space.recipe(chosen.values)
    weights, sha256 = {}, {}
    make_folder(scratch / "weights")
    for seed in seeds:
        try:
            content = read_weights(folder.checkpoints, chosen.number, seed)
        except UnitResultError as error:
            raise UnitResultError(f"{error}; {_trained_anew(folder, chosen.number)}") from error
        weights[seed] = scratch / "weights" / f"{unit_id(chosen.number, seed)}.safetensors"
        weights[seed].write_bytes(content)
        check_notes(weights[seed], recipe, unit_id(chosen.number, seed))
        sha256[seed] = hashlib.sha256(content).hexdigest()
    return FinishedUnits(
        folder.place, chosen.number, config.scored_task, recipe, _learned(folder, recipe), weights, sha256
    )


def check_notes(weights: Path, recipe: Recipe, unit: str) -> dict[str, str]:
    """Compare what a file of weights says of itself with the unit that it is read for; returns all that it says.

    Raises UnitResultError.
    """
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
    return notes


def _trained_anew(folder: StudyFolder, number: int) -> str:
    """Say how a configuration without weights gets some."""
    finishes = folder.config().finishes
    if finishes is None:
        return (
            "those of a configuration that becomes the best only as seeds are added are gone; train it anew, with fresh "
            f"seeds: respsweep finish {folder.arguments} --configuration {number}"
        )
    searched = StudyFolder.at(folder.studies, finishes.study).arguments
    return (
        f"train it anew, under another name: respsweep finish {searched} --configuration {finishes.configuration} "
        f"--name {folder.name}-2"
    )


def _learned(folder: StudyFolder, recipe: Recipe) -> str:
    config, data = folder.config(), folder.config().data
    if isinstance(data, SyntheticConfig):
        recordings = f"synthetic breaths of {data.patients} patients (seed {data.seed})"
    else:
        name = (data and Path(data).name) or "recordings"
        recordings = f"{name} (SHA-256 {str(folder.provenance().get('data_hash'))[:12]})"
    if config.protocol == "published":
        return f"the official training part of {recordings}; {config.label}"
    held_out = "its validation patients were held out" if config.holds_out else "nobody was held out"
    whose = "" if recipe.population == "all" else f", {in_words(recipe.population)} alone"
    return f"the official training part of {recordings}{whose}; {held_out}"
