"""Whether a study can run: looks at all that can be refused, touches nothing of the study, and starts nothing."""

from __future__ import annotations

import uuid
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.bands import ranking_hash
from data.errors import as_read
from data.folds import FOLDS
from data.own_code import own_code
from data.settings import ConfigError
from data.task import Task
from model.training.recipe import Recipe
from sweep.config.resumption import changes, evidence_changes, of_searched_weights
from sweep.config.study_config import StudyConfig
from sweep.config.study_parts import SyntheticConfig
from sweep.driver.display import Display
from sweep.driver.populations import population_ages
from sweep.driver.provenance import (
    provenance_of,
    searched_weights_hashes,
    synthetic_breaths,
    weights_hash,
)
from sweep.driver.trained_origins import check_trained_origins
from sweep.execution.this_machine import check_machine
from sweep.folder.study_folder import StudyFolder
from sweep.search.epoch_pruner import EpochPruner
from sweep.search.optuna_search import OptunaSearch
from sweep.search.sampler_state import state_fault
from sweep.study.board import Board
from sweep.study.coordinator import Search
from sweep.study.events import Event
from sweep.study.journal import JournalError
from sweep.study.pruning import Pruner
from sweep.worker.prepared_data import DataPreparation, PreparedData, synthetic_directory

BEGUN_AS, CALLED_BEFORE = "begun_as", "called_before"
"""Of a study that was renamed, in its provenance: the name under which it began, and its last one."""


@dataclass(frozen=True)
class CheckedStudy:
    """A study that passed every check, and what the checks found out.

    `config` names the task. `past` and `board`: what happened in the study before. `changes`: a line for each setting,
    and each part of the provenance, that differs from the last time. `preparation`: reads the recordings; the features
    of one recipe are made. `warnings`: lines for the person who starts the study.
    """

    config: StudyConfig
    folder: StudyFolder
    past: Sequence[Event]
    board: Board
    changes: Sequence[str]
    provenance: Mapping[str, Any]
    preparation: DataPreparation
    search: Search
    pruner: Pruner
    warnings: Sequence[str]


def preflight(
    config: StudyConfig, folder: StudyFolder, display: Display, address: str = "local"
) -> CheckedStudy:
    """Look at a study, new or old, that is to run with the settings `config`; the folder's files are only read.

    What is refused at once comes first, then what this machine lacks for a unit if `address` is `local`, then the
    recordings. Features are made in this machine's cache, which `display` may show. What is uneven in the folds is
    warned of when a study begins, and not each time that it goes on. Raises ConfigError, DataError, PretrainedError,
    JournalError, ExecutorError or DataPreparationError, each with one clear line.
    """
    past = folder.events()
    board = folder.board(past)
    differences = changes(folder.config(), config, folder.name)
    _check_points(config, folder, board)
    recipe = config.any_recipe()
    data = given_data(config)
    search = OptunaSearch(config)
    pruner = EpochPruner(config.pruner, config.space.epochs, _begun_as(folder), past, config.ranking_metric)
    if address == "local":
        check_machine(config.resources)
    weights = weights_hash(recipe)
    preparation = DataPreparation(_recordings(data, display), task=config.task)
    config = config.model_copy(update={"task": preparation.task.name})
    with warnings.catch_warnings():
        if folder.provenance_file.exists():
            # The folds are those that the study began with, and what is uneven in them was told then.
            warnings.filterwarnings("ignore", FOLDS, UserWarning)
        check_trained_origins(config, preparation.check_origins)
        networks = check_own_networks(config, preparation.task)
        provenance = _provenance(folder, preparation.prepare(recipe), weights, networks)
    if (ages := population_ages(config, preparation)) is not None:
        provenance["ages_hash"] = ages
    if searched_weights := {**_known_searched_weights(folder), **searched_weights_hashes(config)}:
        provenance["searched_weights"] = searched_weights
    if (ranking := ranking_hash(config.recipe)) is not None:
        provenance["band_ranking_hash"] = ranking
    if folder.provenance_file.exists():
        differences += evidence_changes(folder.provenance(), provenance, folder.name)
    return CheckedStudy(
        config=config,
        folder=folder,
        past=past,
        board=board,
        changes=differences,
        provenance=provenance,
        preparation=preparation,
        search=search,
        pruner=pruner,
        warnings=[*random_weights(recipe), *_changed_journal(folder)],
    )


def _check_points(config: StudyConfig, folder: StudyFolder, board: Board) -> None:
    """Raise JournalError for a configuration that the search cannot have proposed, or notes that no sampler made."""
    for configuration in board.configurations:
        if (fault := state_fault(configuration, len(board.configurations))) is not None:
            raise JournalError(
                f"{folder.journal}: configuration {configuration.number}: sampler_state: {fault}"
            )
        for path, value in configuration.values.items():
            parameter = config.space.parameters.get(path)
            if parameter is None or not parameter.admits(value):
                shown = as_read(value)
                shown = shown if len(shown) <= 60 else f"{shown[:57]}..."
                raise JournalError(
                    f"{folder.journal}: configuration {configuration.number}: {path}: {shown} is outside what the study "
                    "searches"
                )


def _changed_journal(folder: StudyFolder) -> list[str]:
    warning = folder.journal_warning()
    return [] if warning is None else [warning]


def given_data(config: StudyConfig) -> SyntheticConfig | str:
    """Return what a study says of its recordings. Raises ConfigError when it says nothing."""
    if config.data is None:
        raise ConfigError(
            "no recordings: give --data DIR (in Python: data=DIR), or `data:` in the study file"
        )
    return config.data


def check_own_networks(config: StudyConfig, task: Task) -> list[str]:
    """Build each network of the user's own that a study may come to, and have it answer; returns their names.

    Raises ConfigError for what cannot be imported, built or trained.
    """
    recipes = config.space.own_networks()
    for recipe in recipes:
        # It brings torch, which the driver has no other use for.
        from model.training.prediction import try_own_network

        try_own_network(recipe, task)
    return [recipe.backbone.name for recipe in recipes]


def random_weights(recipe: Recipe) -> list[str]:
    """Warn of a network that starts from random weights where published scores do not."""
    backbone = recipe.backbone
    if backbone.pretrained is not None or backbone.variant == "tiny" or backbone.is_own:
        return []
    return [
        f"{backbone.title} starts from random weights; published scores start from AudioSet's "
        "(backbone.pretrained)"
    ]


def _recordings(data: SyntheticConfig | str, display: Display) -> Path:
    if isinstance(data, SyntheticConfig):
        display.say(f"synthetic breaths of {data.patients} patients (seed {data.seed})")
        return synthetic_directory(data)
    return Path(data)


def _provenance(
    folder: StudyFolder, prepared: PreparedData, weights: str | None, networks: Iterable[str]
) -> dict[str, Any]:
    known = folder.provenance() if folder.provenance_file.exists() else {"study_id": uuid.uuid4().hex}
    made = provenance_of(prepared.task, prepared.data_hash, prepared.fold_hash, weights)
    if own := own_code((*networks, prepared.task)):
        made["own_code"] = own
    if synthetic := synthetic_breaths(Path(prepared.recordings)):
        made["synthetic"] = synthetic
    kept = {name: known[name] for name in (BEGUN_AS, CALLED_BEFORE) if name in known}
    return {"study_id": known["study_id"], **kept, **made}


def _known_searched_weights(folder: StudyFolder) -> dict[str, Any]:
    """Read the hashes of searched weights that an earlier driver saw: a file that is away now may come back."""
    known = folder.provenance() if folder.provenance_file.exists() else {}
    return dict(of_searched_weights(known))


def _begun_as(folder: StudyFolder) -> str:
    """The name that a study had when it began: hyperband deals its configurations into brackets by it."""
    known = folder.provenance() if folder.provenance_file.exists() else {}
    return str(known.get(BEGUN_AS, folder.name))
