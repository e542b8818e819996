"""The main path: a study file becomes a board, the board units, the units scores, and the best of them a file."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from data.config import ConfigError
from model.pretrained import checkpoint_sha256, find_checkpoint
from model.training.recipe import Recipe
from sweep.board import Board, Configuration, Event, State, UnitFailed, UnitFinished, UnitPruned, unit_id
from sweep.config import StudyConfig, SyntheticConfig
from sweep.executor import concurrent_units, run_units, start_ray, stop_ray
from sweep.export import ExportError, export_best, provenance_of
from sweep.folder import StudyFolder
from sweep.journal import Journal
from sweep.leaderboard import failures, leaderboard
from sweep.progress import Progress
from sweep.recordings import Recordings, synthetic_directory
from sweep.search_optuna import OptunaSearch
from sweep.study import Study
from sweep.tracking import Tracking, TrackingError, database_uri
from sweep.unit import unit_config


class InterruptedStudyError(RuntimeError):
    """The study was stopped before it was over."""


def run_study(config: StudyConfig, studies: Path, name: str, address: str, console: Console) -> StudyFolder:
    """Run a study from its file to its leaderboard and `best.yaml`; returns its folder.

    Raises ConfigError, DataError, PretrainedError, ExecutorError, TrackingError or FolderError, each with one clear
    line and before anything has run; then no folder is left. Raises InterruptedStudyError when it was stopped (Ctrl-C)
    and ExportError when no configuration completed; then the folder holds what there is.
    """
    folder = StudyFolder.create(studies, name, config)
    try:
        first = config.space.recipe(config.enqueue[0] if config.enqueue else {})
        _warn_of_missing_weights(first)
        search = OptunaSearch(config, folder.path, name)
        weights_hash = _weights_hash(first)
        recordings = Recordings(_directory(config, console))
        material = recordings.material(first)
        provenance = provenance_of(material.data_hash, material.fold_hash, weights_hash)
        folder.write_provenance(provenance)
        start_ray(address)
        slots = concurrent_units(config.resources)
        tags = {"respsweep.data_hash": material.data_hash, "respsweep.fold_hash": material.fold_hash}
        tracking = _tracking(config, folder, {**tags, "respsweep.commit": str(provenance["commit"])})
    except BaseException:
        # Nothing has run yet, so nothing is worth keeping.
        stop_ray()
        shutil.rmtree(folder.path)
        raise
    budget = config.budget.configurations
    console.print(f"study {folder.path}: {budget} configurations at most, {slots} units at a time")
    board = Board(config.seeds)
    progress = Progress(board, budget, console)
    journal = Journal(folder.journal)
    study = Study(board, search, budget, [journal.write, tracking, progress, _remove_checkpoint(folder)])
    try:
        with progress:
            run_units(
                study, config.resources, _unit_config(config, recordings, folder), folder.path, progress.tick
            )
    finally:
        interrupted = not study.over
        study.abandon("interrupted")
        stop_ray()
        shutil.rmtree(folder.path / "tune", ignore_errors=True)
        journal.close()
        _close(tracking, console)
    console.print(leaderboard(board, rows=20), *failures(board), sep="\n", markup=False)
    if interrupted:
        raise InterruptedStudyError(
            f"{folder.path}: interrupted after {len(board.ranking())} complete configurations of {budget}"
            + (f"; `respsweep export {folder.name}` writes the best of them" if board.ranking() else "")
        )
    export(folder)
    return folder


def export(folder: StudyFolder, path: Path | None = None) -> Path:
    """Write the best configuration of a study to `path` (default: its own `best.yaml`) and return where.

    Raises ExportError when no configuration has finished all its seeds.
    """
    config, board = folder.config(), folder.board()
    best = board.best()
    if best is None:
        raise ExportError(
            f"{folder.path}: no configuration has finished all {len(board.seeds)} seeds, so there is no best one"
            + _first_failure(board)
        )
    target = path or folder.best
    recipe, provenance = config.space.recipe(best.values), folder.provenance()
    if "backbone.pretrained" in best.values:
        provenance["weights_hash"] = _weights_hash(recipe)
    export_best(target, folder.name, board, best, recipe, provenance)
    return target


def _directory(config: StudyConfig, console: Console) -> Path:
    if config.data is None:
        raise ConfigError("no recordings: give --data DIR, or `data:` in the study file")
    if isinstance(config.data, SyntheticConfig):
        console.print(f"synthetic breaths of {config.data.patients} patients (seed {config.data.seed})")
        return synthetic_directory(config.data)
    return Path(config.data)


def _unit_config(
    config: StudyConfig, recordings: Recordings, folder: StudyFolder
) -> Callable[[Configuration, int], dict[str, Any]]:
    def build(configuration: Configuration, seed: int) -> dict[str, Any]:
        recipe = _with_absolute_weights(config.space.recipe(configuration.values))
        material = recordings.material(recipe)
        units = folder.units.absolute()
        return unit_config(configuration.number, seed, recipe, material, units, config.resources)

    return build


def _weights_hash(recipe: Recipe) -> str | None:
    source = recipe.backbone.pretrained
    return None if source is None else checkpoint_sha256(find_checkpoint(source))


def _with_absolute_weights(recipe: Recipe) -> Recipe:
    """The recipe with its weights named by an absolute path: a worker starts in another folder."""
    if recipe.backbone.pretrained is None:
        return recipe
    path = find_checkpoint(recipe.backbone.pretrained).absolute()
    backbone = recipe.backbone.model_copy(update={"pretrained": str(path)})
    return recipe.model_copy(update={"backbone": backbone})


def _tracking(config: StudyConfig, folder: StudyFolder, tags: dict[str, str]) -> Tracking:
    if config.tracking_uri is not None:
        return Tracking(config.tracking_uri, folder.name, None, config.seeds, tags)
    return Tracking(database_uri(folder.path), folder.name, folder.artifacts.absolute(), config.seeds, tags)


def _remove_checkpoint(folder: StudyFolder) -> Callable[[Event], None]:
    """Listener that frees the disk of a unit that is over: `best.yaml` trains again, weights of losers do not matter."""

    def heard(event: Event) -> None:
        if isinstance(event, UnitFinished | UnitPruned | UnitFailed):
            shutil.rmtree(folder.units / unit_id(event.configuration, event.seed), ignore_errors=True)

    return heard


def _close(tracking: Tracking, console: Console) -> None:
    try:
        tracking.close()
    except TrackingError as error:
        console.print(f"warning: {error}", markup=False)


def _first_failure(board: Board) -> str:
    stopped = [unit for unit in board.units() if unit.reason is not None]
    failed = [unit for unit in stopped if unit.state is State.FAILED]
    for unit in failed or stopped:
        return f"; {unit.id}: {(unit.reason or '').splitlines()[0]}"
    return ""


def _warn_of_missing_weights(recipe: Recipe) -> None:
    backbone = recipe.backbone
    if backbone.pretrained is None and backbone.variant != "tiny":
        warnings.warn(
            f"{backbone.name} {backbone.variant} starts from random weights; published scores start from AudioSet's "
            "(backbone.pretrained)",
            stacklevel=2,
        )
