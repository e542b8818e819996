"""Units that answer without any network: how often they are right follows from the point, the fold and the seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from evidence.predictions import rounded
from evidence.scores import confusion_matrix
from evidence.validation import unit_numbers
from model.training.recipe import Recipe
from sweep.study.coordinator import Coordinator
from sweep.study.units import Configuration, unit_id
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import PreparedData
from tests.sweep.driver.driving import Slots

Skill = Callable[[dict[str, Any], int], float]
"""How often a configuration, by its values, is right on the patients of a fold."""


class Answers:
    """Answers the cycles of each unit's fold, and keeps the probabilities as a worker does."""

    def __init__(self, skill: Skill) -> None:
        self.slots = Slots(lambda: 1)
        self.units: list[tuple[int, int]] = []
        self._skill = skill

    def run(
        self,
        coordinator: Coordinator,
        unit_config: Callable[[Configuration, int], dict[str, Any]],
        folder: Path,
        on_tick: Callable[[], None],
    ) -> None:
        while (started := coordinator.next_unit()) is not None:
            configuration, seed = started
            told = unit_config(configuration, seed)
            self.units.append((configuration.number, seed))
            fold = Recipe.model_validate_json(told["recipe"]).folds.fold
            assert fold is not None
            _, validation = load_examples(PreparedData(**json.loads(told["prepared"])), fold)
            labels = validation.labels.numpy()
            random = np.random.default_rng(
                [seed, fold, round(1000 * next(iter(configuration.values.values())))]
            )
            right = random.random(len(labels)) < self._skill(dict(configuration.values), fold)
            answers = np.where(right, labels, (labels + 1) % 4)
            probabilities = np.full((len(labels), 4), 0.1)
            probabilities[np.arange(len(labels)), answers] = 0.7
            place = Path(told["predictions"])
            place.mkdir(exist_ok=True)
            np.save(place / f"{unit_id(configuration.number, seed)}.npy", rounded(probabilities, answers))
            numbers = unit_numbers(confusion_matrix(labels, answers, 4), "average")
            coordinator.report(configuration.number, seed, {"epoch": 1, **numbers})
            coordinator.finished(configuration.number, seed, 1)

    def stop(self) -> None: ...
