"""A study of three tiny configurations and two seeds, and what Optuna and MLflow say of a study."""

from pathlib import Path
from typing import Any

import mlflow
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from data.synthetic import write_breaths
from data.task import ICBHI
from model.training.fit import fit
from model.training.recipe import read_recipe
from sweep.config.study_config import StudyConfig
from sweep.folder.study_folder import StudyFolder
from sweep.tracking.tracker import database_uri
from sweep.worker.local_data import load_examples
from sweep.worker.prepared_data import DataPreparation
from tests.studies import TINY_RECIPE

RECIPE = {
    **TINY_RECIPE,
    "optimiser": {"learning_rate": 1e-3, "weight_blend": 0.0},
    "epochs": 3,
}
SEARCH: dict[str, Any] = {
    "patch_mix.temperature": {"type": "float", "low": 0.02, "high": 0.5, "log": True},
    "smoothing.stage": {"type": "categorical", "choices": [None, 1]},
}
STUDY: dict[str, Any] = {
    "data": {"patients": 12, "seed": 0},
    "recipe": RECIPE,
    "search": SEARCH,
    "enqueue": [{"patch_mix.temperature": 0.2, "smoothing.stage": 1}],
    "seeds": [1, 2],
    "budget": {"configurations": 3},
    "racing": {"name": "none"},
    # Units that are stopped go on after the last epoch that was heard.
    "resources": {"checkpoint_minutes": 0},
}


def study(**changes: object) -> StudyConfig:
    return StudyConfig.model_validate({**STUDY, **changes})


def optuna_states(folder: StudyFolder) -> list[str]:
    storage = JournalStorage(JournalFileBackend(str(folder.path / "optuna.journal")))
    return [trial.state.name for trial in optuna.load_study(study_name=folder.name, storage=storage).trials]


def mlflow_states(folder: StudyFolder) -> list[str]:
    client = mlflow.MlflowClient(database_uri(folder.path))
    experiment = client.get_experiment_by_name(folder.name)
    assert experiment is not None
    return [run.info.status for run in client.search_runs([experiment.experiment_id])]


def scores_alone(folder: StudyFolder, seed: int, place: Path) -> list[float]:
    """Train the best recipe of a study without the study: no Ray, no worker, nothing that ends it before its time.

    `place`: a new folder for the recordings, written once more, and their features. Returns each epoch's score.
    """
    recipe = read_recipe(folder.best)
    write_breaths(place / "data", **STUDY["data"])
    prepared = DataPreparation(place / "data", place / "cache", progress=False).prepare(recipe)
    train, validation = load_examples(prepared, recipe.folds.fold)
    return [metrics.score for metrics in fit(recipe, seed, train, validation, task=ICBHI)]
