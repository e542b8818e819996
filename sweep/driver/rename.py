"""A study under another name: its folder, the studies that were made of it, and all that names it inside."""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.errors import UserError
from sweep.driver.display import Display, NoDisplay
from sweep.driver.export import export
from sweep.driver.preflight import BEGUN_AS, CALLED_BEFORE
from sweep.driver.report import report
from sweep.driver.run import mirrored
from sweep.evaluation.cross_fold_ranking import SUFFIX as FOLDS
from sweep.evaluation.finish import SUFFIX as FINISH
from sweep.evaluation.unified_model import SUFFIX as UNIFIED
from sweep.evaluation.unified_model import present_unified
from sweep.folder.lease import LEASE
from sweep.folder.lock import StudyLock
from sweep.folder.related import related_studies
from sweep.folder.removal import remove_stored
from sweep.folder.study_folder import StudyFolder
from sweep.folder.working_copy import DATABASE, OPTUNA, PROVENANCE, STUDY
from sweep.report.page.write import FILE as REPORT
from sweep.search.optuna_export import OptunaExport
from sweep.tracking.moved_runs import move_runs


class RenameError(UserError):
    """A study that cannot have another name."""


def rename_study(folder: StudyFolder, name: str, display: Display | None = None) -> StudyFolder:
    """Give a study another name; returns its folder then.

    The studies NAME-finish and NAME-folds that were made of it are renamed with it, and so is NAME-unified, which stands
    beside one that finishes another; those of other names that finish it know its new name. `best.yaml`, the report, the
    file for Optuna's dashboard and MLflow's database in the folder name it as it is called now. Journal, predictions,
    bundles and ledgers stay to the letter: they know the study by its id. On an object store everything is copied, and
    then removed under the old name.

    Should this die halfway, the same call finishes it, with the folder that `study_to_rename` finds; a study that never
    ran, on an object store, may then be there under both names, and one is to be deleted. Raises RenameError when the
    name is taken, FolderError for what can be no name, LockedError while one of the studies runs, StorageError when an
    object store does not answer.
    """
    display = display or NoDisplay()
    renamed = StudyFolder.find(folder.studies, name)
    moved = _has_moved(folder, renamed)
    config = (renamed if moved else folder).config()
    belongs_to = config.crosses and config.crosses.study
    if config.finishes is not None and config.finishes.unified:
        belongs_to = folder.name.removesuffix(UNIFIED)
    if belongs_to is not None:
        raise RenameError(
            f"{folder.place}: belongs to the study {belongs_to}, and is found by its name; rename that one"
        )
    if name == folder.name:
        raise RenameError(f"{folder.place}: is called {name} already")
    related = [one for one, _ in related_studies(renamed if moved else folder)]
    # It knows the study that was searched, and not the one that it stands beside.
    beside = None if moved else present_unified(folder)
    made = related if beside is None else [*related, beside]
    # The study itself last: until it has moved, all of this can be done again.
    pairs = [
        (
            StudyFolder.at(folder.studies, f"{folder.name}{suffix}"),
            StudyFolder.find(folder.studies, f"{name}{suffix}"),
        )
        for suffix in (FOLDS, FINISH, f"{FINISH}{UNIFIED}", UNIFIED)
    ] + [(folder, renamed)]
    moves = [
        (source, target) for source, target in pairs if source in made or (source == folder and not moved)
    ]
    before = [(source, target) for source, target in pairs if _has_moved(source, target)]
    for source, target in moves:
        if target.path.exists() if target.uri is None else target.exists and not _is_copy(target, source):
            raise RenameError(f"{target.place}: is there already; take another name")
    with contextlib.ExitStack() as held:
        there = made if moved else [*made, folder]
        locks = {one: held.enter_context(one.lock()) for one in there}
        for one in related:
            _name_searched(one, name)
        for source, _ in moves:
            _note_names(source)
        for source, target in moves:
            _move(source, target, locks[source], display)
    for source, target in reversed([*before, *moves]):
        _remove_rest(source)
        _name_inside(target, source.name, display)
    return renamed


def study_to_rename(studies: Path | str, name: str, new_name: str) -> StudyFolder:
    """Open the study that is to have a new name; also one that has it already, as the renaming died on the way.

    Raises what `StudyFolder.open` raises.
    """
    folder = StudyFolder.at(studies, name)
    folder.pull()
    return (
        folder if _has_moved(folder, StudyFolder.find(studies, new_name)) else StudyFolder.open(studies, name)
    )


def _provenance(folder: StudyFolder) -> dict[str, Any]:
    return folder.provenance() if folder.provenance_file.exists() else {}


def _note_names(folder: StudyFolder) -> None:
    """Write down in a study, before it moves, how it is called: by that a retry knows that it has moved."""
    if not (provenance := _provenance(folder)):
        return
    folder.write_provenance({BEGUN_AS: folder.name, **provenance, CALLED_BEFORE: folder.name})
    if folder.uri is not None:
        folder.storage().upload(folder.provenance_file, PROVENANCE)


def _has_moved(source: StudyFolder, target: StudyFolder) -> bool:
    return not source.exists and target.exists and _provenance(target).get(CALLED_BEFORE) == source.name


def _is_copy(target: StudyFolder, source: StudyFolder) -> bool:
    """Whether a study that is there twice lacks nothing in its new place."""
    own = _provenance(source).get("study_id")
    if own is None or own != _provenance(target).get("study_id"):
        return False
    journals = [one.journal.read_bytes() if one.journal.exists() else b"" for one in (target, source)]
    return journals[0].startswith(journals[1])


def _remove_rest(source: StudyFolder) -> None:
    """Remove what a renaming that died has left under the old name on an object store, where no study is any more."""
    if source.uri is not None and (source.storage().sizes() or source.path.exists()):
        with source.lock() as lock:
            remove_stored(source, lock)


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
        names = [] if target.exists else stored.sizes()
        # The study file last: until it is there, nothing under the new name is a study.
        for name in sorted(names, key=lambda name: name == STUDY):
            if name != LEASE:
                stored.download(name, Path(scratch) / "file")
                new.upload(Path(scratch) / "file", name)
    remove_stored(source, lock)
    target.pull(runs=True)


def _name_inside(folder: StudyFolder, before: str, display: Display) -> None:
    """Bring up to date what names the study inside; what cannot be is told, and is written anew by later commands."""
    with folder.lock() as lock, mirrored(folder, lock, display) as mirror:
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
