"""What a unit needs before it is handed out: its features and weights, made, and shared with other machines, once."""

from __future__ import annotations

from typing import Any

from model.training.recipe import Recipe
from sweep.config.study_config import StudyConfig
from sweep.study.units import Configuration
from sweep.worker.prepared_data import DataPreparation
from sweep.worker.unit_config import unit_config
from sweep.worker.weights import Weights, share_weights, weights_of


class UnitPreparation:
    """Gets features and weights of a configuration ready, and writes down what a worker is told of a unit.

    What two configurations have in common is made once. How it is written down: `sweep.worker.unit_config`.
    """

    def __init__(
        self,
        config: StudyConfig,
        preparation: DataPreparation,
        checkpoints: str,
        predictions: str,
        shared: str | None,
        leak: str | None = None,
    ) -> None:
        """`checkpoints`, `predictions` and `leak`: paths or URIs of what units leave, for all machines.

        `shared`: where features and weights are put for machines that do not see this one's; None when no other
        machine takes part. Raises DataPreparationError when the features cannot be put there.
        """
        self._config = config
        self._preparation = preparation
        self._checkpoints = checkpoints
        self._predictions = predictions
        self._shared = shared
        self._leak = leak
        self._shared_weights: dict[Weights, Weights] = {}
        if shared is not None:
            preparation.share(shared)

    def __call__(self, configuration: Configuration, seed: int) -> dict[str, Any]:
        """Get one unit ready, and write it down.

        Raises ConfigError when the configuration's values make no recipe, and DataError, PretrainedError,
        DataPreparationError or WeightsError when the recipe's features or weights cannot be had.
        """
        recipe = self._config.space.recipe(configuration.values)
        unit = configuration.units[seed]
        return unit_config(
            configuration.number,
            seed,
            recipe,
            self._preparation.prepare(recipe),
            self._checkpoints,
            self._config.resources,
            predictions=self._predictions,
            leak=self._leak,
            published=self._config.protocol == "published",
            weights=self._weights(recipe),
            whole_batches=not unit.out_of_memory,
            heard=len(unit.curve),
            selected_by=self._config.ranking_objective,
        )

    def _weights(self, recipe: Recipe) -> Weights | None:
        weights = weights_of(recipe)
        if weights is None or self._shared is None:
            return weights
        if weights not in self._shared_weights:
            self._shared_weights[weights] = share_weights(weights, self._shared)
        return self._shared_weights[weights]
