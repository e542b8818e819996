"""A study under another name: its folder, the studies that were made of it, and all that names it inside."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path

from data.errors import UserError
from sweep.driver.display import Display, NoDisplay
from sweep.driver.export import export
from sweep.driver.report import report
from sweep.driver.run import mirrored
from sweep.evaluation.cross_fold_ranking import SUFFIX as FOLDS
from sweep.evaluation.finish import SUFFIX as FINISH
from sweep.folder.lease import LEASE
from sweep.folder.lock import StudyLock
from sweep.folder.related import related_studies
from sweep.folder.removal import remove_stored
from sweep.folder.study_folder import StudyFolder
from sweep.folder.working_copy import DATABASE, OPTUNA, STUDY
from sweep.report.page.write import FILE as REPORT
from sweep.search.optuna_export import OptunaExport
from sweep.tracking.moved_runs import move_runs


class RenameError(UserError):
    """A study that cannot have another name."""


def rename_study(folder: StudyFolder, name: str, display: Display | None = None) -> StudyFolder:
    """Give a study another name; returns its folder then.

    The studies NAME-finish and NAME-folds that were made of it are renamed with it, and those of other names that finish
    it know its new name. `best.yaml`, the report, the file for Optuna's dashboard and MLflow's database in the folder
    name it as it is called now. Journal, predictions, bundles and ledgers stay to the letter: they know the study by its
    id. On an object store everything is copied, and then removed under the old name.

    Should this die halfway, the same call finishes it. Raises RenameError when the name is taken, FolderError for what
    can be no name, LockedError while one of the studies runs, StorageError when an object store does not answer.
    """
    display = display or NoDisplay()
    if (crosses := folder.config().crosses) is not None:
        raise RenameError(
            f"{folder.place}: belongs to the study {crosses.study}, and is found by its name; rename that one"
        )
    if name == folder.name:
        raise RenameError(f"{folder.place}: is called {name} already")
    related = [one for one, _ in related_studies(folder)]
    moves = {
        one: StudyFolder.find(folder.studies, f"{name}{suffix}")
        for suffix in (FOLDS, FINISH)
        for one in related
        if one.name == f"{folder.name}{suffix}"
    }
    # The study itself last: until it has moved, all of this can be done again.
    moves[folder] = StudyFolder.find(folder.studies, name)
    for target in moves.values():
        if target.path.exists() if target.uri is None else target.exists:
            raise RenameError(f"{target.place}: is there already; take another name")
    with contextlib.ExitStack() as held:
        locks = {one: held.enter_context(one.lock()) for one in (*related, folder)}
        for one in related:
            _name_searched(one, name)
        for source, target in moves.items():
            _move(source, target, locks[source], display)
    for source, target in reversed(moves.items()):
        _name_inside(target, source.name, display)
    return moves[folder]


def _name_searched(folder: StudyFolder, name: str) -> None:
    """Write down in a study that was made of another what that one is called now."""
    config = folder.config()
    made_of = {
        part: told.model_copy(update={"study": name})
        for part, told in (("finishes", config.finishes), ("crosses", config.crosses))
        if told is not None
    }
    folder.write_config(config.model_copy(update=made_of))
    if folder.uri is not None:
        folder.storage().upload(folder.study_file, STUDY)


def _move(source: StudyFolder, target: StudyFolder, lock: StudyLock, display: Display) -> None:
    if source.uri is None:
        source.path.rename(target.path)
        return
    # What a driver that died here had not sent.
    with mirrored(source, lock, display) as mirror:
        assert mirror is not None, "it lies on an object store"
        mirror.start()
    stored, new = source.storage(), target.storage()
    with tempfile.TemporaryDirectory(prefix="respsweep-rename-") as scratch:
        # The study file last: until it is there, nothing under the new name is a study.
        for name in sorted(stored.sizes(), key=lambda name: name == STUDY):
            if name != LEASE:
                stored.download(name, Path(scratch) / "file")
                new.upload(Path(scratch) / "file", name)
    remove_stored(source, lock)
    target.pull(runs=True)


def _name_inside(folder: StudyFolder, before: str, display: Display) -> None:
    """Bring up to date what names the study inside; what cannot be is told, and is written anew by later commands."""
    with folder.lock() as lock, mirrored(folder, lock, display) as mirror:
        provenance = folder.provenance() if folder.provenance_file.exists() else {}
        if provenance:
            folder.write_provenance({"begun_as": before, **provenance})
        for part in (_name_runs, _name_in_optunas_file, _name_in_results):
            try:
                part(folder, before)
            except (UserError, OSError, sqlite3.Error) as error:
                display.warn(f"{folder.place}: {error}")
        if mirror is not None:
            mirror.start()


def _name_runs(folder: StudyFolder, before: str) -> None:
    database = folder.path / DATABASE
    if folder.config().tracking_uri is None and database.exists():
        move_runs(database, before, folder.name, folder.artifacts)


def _name_in_optunas_file(folder: StudyFolder, before: str) -> None:
    path = folder.path / OPTUNA
    if path.exists():
        OptunaExport(path, folder.name, folder.config(), folder.board()).write()


def _name_in_results(folder: StudyFolder, before: str) -> None:
    written: list[tuple[bool, Callable[[StudyFolder], object]]] = [
        (folder.best.exists(), export),
        (folder.storage().has(REPORT), report),
    ]
    for there, write in written:
        if there:
            write(folder)
