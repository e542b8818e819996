"""Which study a command means: a new one, or one that goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from data.settings import ConfigError, read_yaml
from sweep.config.resumption import changes
from sweep.config.study_config import StudyConfig, read_study
from sweep.evaluation.cross_fold_ranking import CrossFoldError, best_configuration
from sweep.folder.study_folder import StudyFolder
from sweep.storage.storage import StorageError
from sweep.study.board import Board
from sweep.study.journal import JournalError


def choose_study(
    studies: Path | str, space: Path | None, name: str | None, resume: str | None, settings: Mapping[str, Any]
) -> tuple[StudyFolder, StudyConfig]:
    """Find the study to run and read its settings, of which `settings` by dotted field replace those of the file.

    The study's place is resolved here, once: what an object store has of the study is pulled.

    Without a name a study is called after its file, and the same command goes on with the study that it began. A new
    one, with the next free number, begins when that study is over, or when the file or `settings` have changed so much
    that its scores would not fit any more. Raises ConfigError or FolderError for what cannot be meant, and StorageError
    for an object store that does not answer.
    """
    if resume is not None:
        if name is not None:
            raise ConfigError(f"--name {name} and --resume {resume} both name the study; give one of them")
        stored = StudyFolder.open(studies, resume)
        return stored, read_study(space or stored.study_file, settings)
    if space is None and name is not None:
        raise ConfigError(
            f"--name {name} needs a study file to begin with; to go on with it: --resume {name}"
        )
    config = read_study(space, settings)
    if name is not None:
        return StudyFolder.find(studies, name), config
    assert space is not None, "settings were read from it"
    return _unnamed(studies, space.stem, config), config


def _unnamed(studies: Path | str, stem: str, config: StudyConfig) -> StudyFolder:
    *taken, free = StudyFolder.numbered(studies, stem)
    return taken[-1] if taken and _goes_on(taken[-1], config) else free


def _goes_on(last: StudyFolder, config: StudyConfig) -> bool:
    """Tell whether the study `last` can go on with the settings `config`, and has something left to do."""
    if not last.exists:
        return False
    try:
        before, board = last.config(), last.board()
        changes(before, config, last.name)
    except (ConfigError, JournalError):
        return False
    # A driver that died after the last unit has not written the best one down, and one that was halted before may have
    # written another one.
    return before.resolved().data == config.resolved().data and not (
        board.stopped == "over" and _exported(last, board, config)
    )


def _exported(folder: StudyFolder, board: Board, config: StudyConfig) -> bool:
    """Whether `best.yaml` holds the best configuration with all its seeds, or there is none to hold.

    With `folds: all` the best on all folds.
    """
    try:
        best, ranking = best_configuration(folder, board)
    except (CrossFoldError, StorageError):
        return False
    if best is None:
        return True
    if config.folds == "all" and ranking is None:
        return False
    try:
        provenance = read_yaml(folder.best).get("provenance")
    except ConfigError:
        return False
    if not isinstance(provenance, dict):
        return False
    return (provenance.get("configuration"), provenance.get("seeds")) == (best.number, list(board.seeds))
