"""The main path: a study file becomes a board, the board units, the units scores, and the best of them a file."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from sweep.config.study_config import StudyConfig
from sweep.driver.display import Display, NoDisplay
from sweep.driver.driver import Driver, InterruptedStudyError, weights_hash
from sweep.driver.export import ExportError, export_configuration
from sweep.execution.tuner import stop_ray
from sweep.folder.lease import LeasedLock
from sweep.folder.lock import StudyLock
from sweep.folder.mirror import Mirror, MirrorError
from sweep.folder.study_folder import StudyFolder
from sweep.study.board import Board
from sweep.study.units import State

CLOSE_S = 300.0
"""How long the end of a study waits for its last results, and MLflow's, to be on the object store."""
CLOSE_SOON_S = 30.0
"""The same for a study that was stopped; one that was told to stop at once waits for nothing."""


def run_study(
    config: StudyConfig, folder: StudyFolder, address: str = "local", display: Display | None = None
) -> StudyFolder:
    """Run a study from its settings to its leaderboard and `best.yaml`, from where it stands; returns its folder.

    `folder`: the study's place, as `sweep.driver.which_study.choose_study` or `StudyFolder.find` give it; a new study
    is begun where there is none. `address`: `local` runs units on this machine, `auto` on the Ray cluster that this
    machine belongs to, `HOST:PORT` on another one. `display`: shows a person how the study goes; None shows nothing.

    Raises ConfigError, DataError, PretrainedError,
    ExecutorError, TrackingError, FolderError, JournalError, LockedError, StorageError, DataPreparationError or
    WeightsError, each with one clear line and before anything has run; then a new study leaves no folder and an old one
    is as it was. Raises InterruptedStudyError when it was stopped (Ctrl-C, a full disk) and ExportError when no
    configuration completed; then the folder holds what there is.
    """
    display = display or NoDisplay()
    fresh = not folder.exists
    if fresh:
        folder.create(config)
    try:
        with folder.lock() as lock, _mirrored(folder, lock, display) as mirror:
            driver = Driver(config, folder, lock, address, display, mirror)
            fresh = False
            driver.run()
            export(folder)
    except BaseException:
        stop_ray()
        # The study of a driver that was faster than we were is not ours to remove.
        if fresh and not StudyLock(folder.path).is_held():
            shutil.rmtree(folder.path)
        raise
    return folder


@contextlib.contextmanager
def _mirrored(folder: StudyFolder, lock: StudyLock, display: Display) -> Iterator[Mirror | None]:
    """While the block runs, and its driver runs, a study on an object store is sent there."""
    if not isinstance(lock, LeasedLock):
        yield None
        return
    # Another driver may have gone on since we looked.
    folder.pull(held=True, runs=True)
    mirror = Mirror(folder.path, lock.storage, lock)
    close_s = CLOSE_SOON_S
    try:
        yield mirror
        close_s = CLOSE_S
    except (InterruptedStudyError, KeyboardInterrupt) as stop:
        if isinstance(stop, KeyboardInterrupt) or stop.at_once:
            close_s = 0.0
        raise
    finally:
        try:
            mirror.close(close_s)
        except MirrorError as error:
            display.warn(str(error))


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
                f"{folder.place}: configuration {number} has not finished all {len(board.seeds)} seeds; "
                f"those that have: {complete}"
            )
    if best is None:
        raise ExportError(
            f"{folder.place}: no configuration has finished all {len(board.seeds)} seeds, so there is no best one"
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
