"""The main path: a study file becomes a board, the board units, the units scores, and the best of them a file."""

from __future__ import annotations

import shutil
from pathlib import Path

from rich.console import Console

from sweep.board import Board
from sweep.config import StudyConfig
from sweep.executor import stop_ray
from sweep.export import ExportError, export_configuration
from sweep.folder import StudyFolder
from sweep.lock import StudyLock
from sweep.session import Session, weights_hash
from sweep.units import State


def run_study(config: StudyConfig, studies: Path, name: str, address: str, console: Console) -> StudyFolder:
    """Run a study from its file to its leaderboard and `best.yaml`, from where it stands; returns its folder.

    Raises ConfigError, DataError, PretrainedError, ExecutorError, TrackingError, FolderError, JournalError or
    LockedError, each with one clear line and before anything has run; then a new study leaves no folder and an old one
    is as it was. Raises InterruptedStudyError when it was stopped (Ctrl-C, a full disk) and ExportError when no
    configuration completed; then the folder holds what there is.
    """
    folder = StudyFolder(studies / name)
    fresh = not folder.exists
    if fresh:
        folder = StudyFolder.create(studies, name, config)
    with StudyLock(folder.path) as lock:
        try:
            session = Session(config, folder, lock, address, console)
        except BaseException:
            stop_ray()
            if fresh:
                shutil.rmtree(folder.path)
            raise
        session.run()
        export(folder)
    return folder


def export(folder: StudyFolder, path: Path | None = None, number: int | None = None) -> Path:
    """Write the best configuration of a study, or that `number`, to `path`; by default to `best.yaml`, or
    `configuration-NUMBER.yaml`, in its folder.

    Returns where. Raises ExportError when it, or every one, lacks some of its seeds.
    """
    config, board = folder.config(), folder.board()
    best = board.best()
    if number is not None:
        best = next((one for one in board.ranking() if one.number == number), None)
        if best is None:
            complete = ", ".join(str(one.number) for one in board.ranking()) or "none"
            raise ExportError(
                f"{folder.path}: configuration {number} has not finished all {len(board.seeds)} seeds; "
                f"those that have: {complete}"
            )
    if best is None:
        raise ExportError(
            f"{folder.path}: no configuration has finished all {len(board.seeds)} seeds, so there is no best one"
            + _first_failure(board)
        )
    chosen_by_score = number is None or number == board.ranking()[0].number
    target = path or (folder.best if chosen_by_score else folder.path / f"configuration-{number}.yaml")
    recipe, provenance = config.space.recipe(best.values), folder.provenance()
    if "backbone.pretrained" in best.values:
        provenance["weights_hash"] = weights_hash(recipe)
    export_configuration(target, folder.name, board, best, recipe, provenance)
    return target


def _first_failure(board: Board) -> str:
    stopped = [unit for unit in board.units() if unit.reason is not None]
    failed = [unit for unit in stopped if unit.state is State.FAILED]
    for unit in failed or stopped:
        return f"; {unit.id}: {(unit.reason or '').splitlines()[0]}"
    return ""
