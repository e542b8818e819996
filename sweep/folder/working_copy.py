"""This machine's copy of a study on an object store: which of the two is newer, and how the copy catches up."""

from __future__ import annotations

import contextlib
import shutil
import warnings
from pathlib import Path

from filelock import FileLock

from data.atomic import file_draft, make_folder, write_whole
from sweep.folder.lock import StudyLock
from sweep.storage.storage import Storage, StorageError

STUDY, PROVENANCE, BEST, OPTUNA, JOURNAL = (
    "study.yaml",
    "provenance.yaml",
    "best.yaml",
    "optuna.journal",
    "journal.jsonl",
)
DATABASE, ARTIFACTS = "mlflow.db", "artifacts"
MARK = ".mirrored"
"""Name of the file that marks a working copy whose study has been seen on the store."""
STAYS = ("driver.lock", "driver.json", "copy-id")
"""Files that belong to this machine, not to the study: they stay when the study is moved aside."""


def pull(copy: Path, storage: Storage, *, runs: bool = False, held: bool = False) -> None:
    """Bring the working copy of a study up to the study as it lies in `storage`.

    The longer journal is the newer one. A copy whose journal begins with the stored journal is left as it is: its
    driver died here before it had sent all events. Otherwise the stored study, which other machines know, is copied
    here. If the copy then has events that the store lacks, another machine has gone on without them; if the store has
    no study any more, somebody removed it: in both cases the copy is moved aside, with a warning.

    Nothing is touched while a driver of this machine runs in the copy, which then is ahead of the store, unless the
    caller is that driver (`held`). With `runs` MLflow's database comes too, if there is one. Raises StorageError when
    the store does not answer.
    """
    make_folder(copy.parent)
    with FileLock(copy.parent / f".{copy.name}.pull"):
        if not held and copy.is_dir() and StudyLock(copy).is_held():
            return
        try:
            _catch_up(copy, storage, runs)
        except OSError as error:
            if error.filename is not None:
                raise
            raise StorageError(f"{storage.place}: cannot be read: {error}") from error


def _catch_up(copy: Path, storage: Storage, runs: bool) -> None:
    here = _whole_lines(copy / JOURNAL)
    if _read(storage, STUDY) is None:
        if (copy / MARK).exists():
            _move_aside(copy, f"{storage.place}: the study is not there any more")
        return
    there = _read(storage, JOURNAL) or b""
    if (copy / STUDY).exists() and here.startswith(there):
        if here == there and not (copy / BEST).exists():
            _fetch(copy, storage, BEST)
        if runs and not (copy / DATABASE).exists():
            _fetch_runs(copy, storage)
        (copy / MARK).touch()
        return
    if not there.startswith(here):
        _move_aside(
            copy, f"{storage.place}: another driver has gone on there without the last events of this machine"
        )
    make_folder(copy)
    _remove_runs(copy)
    # The journal last: until it is there, the next pull does all of this again.
    for name in (STUDY, PROVENANCE, BEST, OPTUNA, JOURNAL):
        _fetch(copy, storage, name)
    (copy / MARK).touch()
    if runs:
        _fetch_runs(copy, storage)


def _fetch(copy: Path, storage: Storage, name: str) -> None:
    content = _read(storage, name)
    if content is None:
        (copy / name).unlink(missing_ok=True)
        return
    write_whole(copy / name, content)


def _read(storage: Storage, name: str) -> bytes | None:
    try:
        return storage.read(name)
    except FileNotFoundError:
        return None


def _whole_lines(journal: Path) -> bytes:
    content = journal.read_bytes() if journal.exists() else b""
    return content[: content.rfind(b"\n") + 1]


def _fetch_runs(copy: Path, storage: Storage) -> None:
    # The database last: while it is not there, all of this is done again.
    with contextlib.suppress(FileNotFoundError), file_draft(copy / DATABASE) as draft:
        storage.download(DATABASE, draft)
        for name in storage.sizes(ARTIFACTS):
            target = copy / ARTIFACTS / name
            make_folder(target.parent)
            storage.download(f"{ARTIFACTS}/{name}", target)


def _remove_runs(copy: Path) -> None:
    for path in copy.glob(f"{DATABASE}*"):
        path.unlink()
    shutil.rmtree(copy / ARTIFACTS, ignore_errors=True)


def _move_aside(copy: Path, why: str) -> None:
    number = 1
    while (aside := copy.with_name(f"{copy.name}.aside-{number}")).exists():
        number += 1
    make_folder(aside)
    for path in copy.iterdir():
        # A lock that is held stays where others look for it.
        if path.name not in STAYS:
            with contextlib.suppress(OSError):
                path.rename(aside / path.name)
    warnings.warn(f"{why}; what was here is kept in {aside}", stacklevel=2)
