"""Which networks MLflow is to have as models: those of the best configuration, as far as their weights are there."""

from __future__ import annotations

from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.storage.open_storage import open_storage
from sweep.storage.storage import StorageError
from sweep.study.board import Board
from sweep.study.units import unit_id
from sweep.tracking.messages import Models
from sweep.worker.unit_results import WEIGHTS


def best_models(folder: StudyFolder, config: StudyConfig, board: Board) -> Models | None:
    """Name the units of the best configuration; None when there is none, or none of its weights.

    None too with `protocol: published`: networks on whose every choice the test part made are not handed on.

    A storage that does not answer counts as one without weights: the study will be taken up again another day.
    """
    best = board.best()
    if best is None or config.protocol == "published":
        return None
    try:
        storage = open_storage(folder.checkpoints)
        units = [unit_id(best.number, seed) for seed in board.seeds]
        units = [unit for unit in units if storage.has(f"{unit}/{WEIGHTS}")]
    except (OSError, StorageError):
        return None
    if not units:
        return None
    recipe = config.space.recipe(best.values)
    return Models(
        units=tuple(units),
        place=folder.checkpoints,
        file=WEIGHTS,
        recipe=recipe.model_dump(mode="json"),
        task=config.scored_task.name,
        about={
            "study": folder.name,
            "configuration": str(best.number),
            "recipe_digest": recipe.digest(),
            "note": "not a medical device: probabilities of sounds, from a research program, and no diagnosis",
        },
    )
