"""Units as workers open them, on a dozen made-up patients."""

from pathlib import Path
from typing import Any

from data.settings import parse
from model.training.recipe import Recipe
from sweep.config.study_parts import ResourcesConfig
from sweep.worker.prepared_data import PreparedData
from sweep.worker.step_result import StepResult
from sweep.worker.trainable import UnitTrainable
from sweep.worker.unit_config import unit_config
from tests.studies import TINY_RECIPE

RECIPE: dict[str, Any] = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3},
    "epochs": 2,
}


def config(
    prepared: PreparedData,
    folder: Path,
    seed: int = 1,
    *,
    minutes: float = 0,
    heard: int = 0,
    **changes: Any,
) -> dict[str, Any]:
    """What a worker is told of a unit that saves every so many `minutes`; 0: each epoch, before it is reported."""
    recipe = parse(Recipe, {**RECIPE, **changes}, "test")
    resources = ResourcesConfig(checkpoint_minutes=minutes)
    return unit_config(0, seed, recipe, prepared, folder, resources, heard=heard)


def step(unit: UnitTrainable) -> StepResult:
    """What a step of the unit comes to, as Tune hands it on."""
    return StepResult.from_tune(unit.train())


def reports(unit: UnitTrainable) -> list[dict[str, Any]]:
    return [dict(report) for report in step(unit).reports]
