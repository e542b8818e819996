"""The cycles that a study would train and score, counted before features are made, and what is missing in them."""

from __future__ import annotations

from pathlib import Path

from data.dataset import DataSet
from data.errors import DataError
from data.folds import check_patients
from data.population import Population, in_words, written
from data.population_cycles import patients_of
from data.recordings import read_recordings
from data.synthetic import invented_breaths
from model.training.recipe import Recipe
from sweep.config.search_space import POPULATION
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import SyntheticConfig
from sweep.driver.preflight import given_data
from sweep.driver.trained_origins import check_trained_origins
from sweep.report.study_plan import PlannedData
from sweep.worker.training_origins import TrainingOrigins


def planned_data(config: StudyConfig, recipe: Recipe) -> PlannedData:
    """Count the cycles of a study, and those that a unit of `recipe` trains on and is scored on, about.

    Raises ConfigError or DataError for recordings that cannot be used: too few patients for the folds, a searched
    population without a cycle, one device or patient for a loss that tells devices or patients apart.
    """
    given, data, of_trained, of_scored = given_data(config), None, 0, 0
    if isinstance(given, SyntheticConfig):
        # Whose breaths they are and what would record them is not known before they are written.
        breaths = invented_breaths("train", given.patients, given.seed)
        patients, cycles = set(breaths), sum(breaths.values())
        may_validate = patients
        tested = sum(invented_breaths("test", given.patients, given.seed).values())
    else:
        data = read_recordings(Path(given), config.task)
        first, *others = data.parts
        recordings = data.part(first)
        patients = {recording.patient for recording in recordings}
        may_validate = patients - data.never_validate
        cycles = sum(len(recording.cycles) for recording in recordings)
        of_trained = _count_cycles(data, recipe.population)
        of_scored = _count_cycles(data, recipe.folds.population)
        for other in config.space.recipes_over(POPULATION):
            _count_cycles(data, other.population)
        tested = sum(len(recording.cycles) for part in others for recording in data.part(part))
    check_patients(may_validate, recipe.folds)
    if data is not None:
        check_trained_origins(config, TrainingOrigins(data).check)
    of_trained, of_scored = of_trained or cycles, of_scored or cycles
    share = 0 if recipe.folds.fold is None else 1 / recipe.folds.folds
    held_out = round(of_scored * share)
    scored = tested if config.protocol == "published" else held_out or of_scored
    trained = of_trained - round(of_trained * share)
    return PlannedData(cycles, len(patients), trained, scored + tested * config.leak)


def _count_cycles(data: DataSet, population: Population) -> int:
    """Count the training cycles of a population. Raises DataError where there are none, or no age is known."""
    chosen = patients_of(data, population)
    recordings = data.part(data.parts[0])
    found = sum(len(one.cycles) for one in recordings if chosen is None or one.patient in chosen)
    if not found:
        raise DataError(
            f"population {written(population)}: no training cycle in {data.directory} is of {in_words(population)}; "
            "take a wider population"
        )
    return found
