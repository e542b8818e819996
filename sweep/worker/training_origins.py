"""Which devices and patients a recipe trains on, told from annotations alone: no features are made."""

from __future__ import annotations

import warnings

import numpy as np

from data.dataset import DataSet
from data.folds import Folds, make_folds
from data.population import Population, written
from data.population_cycles import chosen_rows, patients_of
from data.recipe_parts import FoldConfig
from model.domain_parts import check_several_origins, domain_weights
from model.training.recipe import Recipe

Origins = tuple[tuple[str, ...], tuple[int, ...]]
"""Devices and patients of some cycles, each once, rising."""


class TrainingOrigins:
    """Folds of a data set's training part, and the devices and patients that are left to train on; each made once."""

    def __init__(self, data: DataSet) -> None:
        self._data = data
        # In the order of a feature store, so that the folds are those of its rows.
        cycles = [(recording, cycle) for recording in data.part(data.parts[0]) for cycle in recording.cycles]
        self._patients = np.array([recording.patient for recording, _ in cycles], dtype=np.int64)
        self._labels = np.array([cycle.label for _, cycle in cycles], dtype=np.int64)
        self._devices = np.array([recording.device for recording, _ in cycles])
        self._folds: dict[FoldConfig, Folds] = {}
        self._origins: dict[tuple[Population, FoldConfig], Origins] = {}

    def folds(self, asked: FoldConfig) -> Folds:
        """Deal the training part's patients into folds; raises and warns as `data.folds.make_folds` does."""
        # Which of the folds is held out, and who of it is scored, changes none of them.
        asked = asked.model_copy(update={"fold": 0, "population": "all"})
        if asked not in self._folds:
            self._folds[asked] = make_folds(
                self._patients,
                self._labels,
                self._devices.tolist(),
                asked,
                task=self._data.task,
                never_validate=self._data.never_validate,
            )
        return self._folds[asked]

    def check(self, recipe: Recipe) -> None:
        """Raise ConfigError when a recipe tells devices or patients apart, and its training cycles come from one.

        Where no cycle is left to train on, which `data.population_cycles` refuses, nothing is said. Raises what `folds`
        does, and DataError for a population where nobody's age is known.
        """
        device, patient = recipe.device_contrast, recipe.patient_alignment
        if not domain_weights(device, patient):
            return
        where = f"the training part in {self._data.directory}"
        check_several_origins(device, patient, *self._of(np.arange(len(self._patients))), where)
        devices, patients = self._trained_on(recipe.population, recipe.folds)
        if recipe.folds.fold is not None:
            where += f" without fold {recipe.folds.fold} of {recipe.folds.folds}"
        if recipe.population != "all":
            where += f", population {written(recipe.population)},"
        if patients:
            check_several_origins(device, patient, devices, patients, where)

    def _trained_on(self, population: Population, asked: FoldConfig) -> Origins:
        key = population, asked
        if key not in self._origins:
            with warnings.catch_warnings(action="ignore"):
                # Who has no age is told where the patients are chosen for training.
                chosen = patients_of(self._data, population)
            rows = np.arange(len(self._patients))
            if asked.fold is not None:
                rows, _ = self.folds(asked).split(self._patients, asked.fold)
            self._origins[key] = self._of(chosen_rows(rows, self._patients, chosen))
        return self._origins[key]

    def _of(self, rows: np.ndarray) -> Origins:
        return (
            tuple(np.unique(self._devices[rows]).tolist()),
            tuple(np.unique(self._patients[rows]).tolist()),
        )
