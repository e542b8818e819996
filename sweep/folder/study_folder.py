"""The folder of a study: its study file, its journal and its results, and where they lie."""

from __future__ import annotations

import contextlib
import itertools
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data.atomic import make_folder, write_whole
from data.errors import UserError, as_read
from data.settings import ConfigError, parse, read_yaml
from evidence.chain import ChainCheck, check_chain
from sweep.config.study_config import StudyConfig
from sweep.folder.lease import LeasedLock
from sweep.folder.local_studies import local_path, local_studies
from sweep.folder.lock import StudyLock
from sweep.folder.working_copy import OPTUNA, pull
from sweep.storage.cache_folder import cache_folder, short_hash
from sweep.storage.open_storage import above, below, checked_uri, is_uri, open_object_store, open_storage
from sweep.storage.storage import Storage, StorageError
from sweep.study.board import Board
from sweep.study.events import Event
from sweep.study.journal import JournalError, read_journal


class FolderError(UserError):
    """A study that is not there, or a place where none can be."""


@dataclass(frozen=True)
class StudyFolder:
    """Paths of one study, `STUDIES/NAME/`."""

    path: Path
    uri: str | None = None
    """Address of a study on an object store; `path` then is the working copy (`sweep.folder.working_copy`)."""

    @classmethod
    def at(cls, studies: Path | str, name: str) -> StudyFolder:
        """Name the place of a study below a path or URI, existing or not; `~/` is the home folder.

        Raises StorageError for a bad URI, and FolderError for a null character, which no path has.
        """
        if "\0" in f"{studies}{name}":
            raise FolderError(f"{f'{studies}/{name}'!r}: no path has a null character; expected STUDIES/NAME")
        if not is_uri(studies):
            return cls(local_path(studies) / name)
        uri = checked_uri(str(studies))
        return cls(cache_folder() / "studies" / short_hash(uri) / name, below(uri, name))

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def place(self) -> str:
        """The study's URI or path, as a user names it."""
        return self.uri or str(self.path)

    @property
    def studies(self) -> str:
        """The path or URI that holds this study beside others: `--studies`."""
        return str(self.path.parent) if self.uri is None else above(self.uri)

    @property
    def arguments(self) -> str:
        """The arguments that name this study on a command line, quoted for a shell."""
        return (
            self.name if self.studies == "studies" else f"{self.name} --studies {shlex.quote(self.studies)}"
        )

    @property
    def study_file(self) -> Path:
        """The resolved study, with every default written out."""
        return self.path / "study.yaml"

    @property
    def journal(self) -> Path:
        return self.path / "journal.jsonl"

    @property
    def provenance_file(self) -> Path:
        """The file of provenance: hashes of data and folds, versions of packages, commit."""
        return self.path / "provenance.yaml"

    @property
    def units(self) -> Path:
        """The folder with the checkpoints and weights of units; on an object store, see `checkpoints`."""
        return self.path / "units"

    @property
    def checkpoints(self) -> str:
        """Path or URI of the place with the checkpoints of running units, and the weights of the best ones.

        As every machine can reach it.
        """
        return str(self.units.absolute()) if self.uri is None else below(self.uri, "units")

    @property
    def predictions(self) -> str:
        """Path or URI of the answers of finished units on their validation cycles, as every machine can reach it."""
        return (
            str((self.path / "predictions").absolute())
            if self.uri is None
            else below(self.uri, "predictions")
        )

    @property
    def leak(self) -> str:
        """Path or URI of what units answered to the official test part after each epoch (`leak: true`)."""
        return str((self.path / "leak").absolute()) if self.uri is None else below(self.uri, "leak")

    @property
    def artifacts(self) -> Path:
        """The folder of MLflow's artifacts."""
        return self.path / "artifacts"

    @property
    def best(self) -> Path:
        return self.path / "best.yaml"

    @property
    def exists(self) -> bool:
        return self.study_file.exists()

    def storage(self) -> Storage:
        """The storage at the study's path or URI; every machine sees what is written there."""
        return open_storage(self.place)

    def lock(self) -> StudyLock:
        """Make the lock of the study's driver, a lease on an object store, without taking it."""
        if self.uri is None:
            return StudyLock(self.path)
        return LeasedLock(self.path, open_object_store(self.uri))

    def pull(self, *, runs: bool = False, held: bool = False) -> None:
        """Bring a working copy up to the object store, see `sweep.folder.working_copy`; a path needs no pull."""
        if self.uri is not None:
            pull(self.path, self.storage(), runs=runs, held=held)

    def create(self, config: StudyConfig) -> StudyFolder:
        """Make the folder and its study file, or neither. Raises FolderError when it exists, or cannot be made."""
        was_there = self.path.exists()
        try:
            # A working copy is this machine's own, and its lock may be left of an earlier study.
            make_folder(self.path, exist_ok=self.uri is not None)
            try:
                self.write_config(config)
            finally:
                if not (was_there or self.exists):
                    with contextlib.suppress(OSError):
                        self.path.rmdir()
        except FileExistsError:
            raise FolderError(f"{self.path} is there and is no study; take another name") from None
        except OSError as error:
            raise FolderError(f"{self.path}: cannot be made: {error.strerror}") from error
        return self

    @classmethod
    def find(cls, studies: Path | str, name: str) -> StudyFolder:
        """Find where the study of a name lies, or is to lie; what an object store has of the study is pulled.

        Raises FolderError for a name that no new study can have, and StorageError for a bad URI, or an object store
        that does not answer.
        """
        folder = cls.at(studies, name)
        folder.pull()
        if not (folder.exists or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name)):
            place = _named_by_place(name)
            raise FolderError(
                f"name of a study: use letters, digits, dots, dashes and underscores, got {name!r}"
                + (f"; {place}" if place else "")
            )
        return folder

    @classmethod
    def open(cls, studies: Path | str, name: str, *, runs: bool = False) -> StudyFolder:
        """Open an existing study as it is now, pulled from its object store; with `runs` MLflow's database too.

        Raises FolderError, which names the studies that exist, and StorageError for a store that does not answer.
        """
        folder = cls.at(studies, name)
        folder.pull(runs=runs)
        if not folder.exists:
            raise FolderError(f"no study {name!r} in {str(studies).rstrip('/')}/; {_there(studies, name)}")
        return folder

    @classmethod
    def numbered(cls, studies: Path | str, stem: str) -> Iterator[StudyFolder]:
        """Find `stem`, `stem-2`, `stem-3`, ..., up to the first that is free."""
        for number in itertools.count(1):
            folder = cls.find(studies, stem if number == 1 else f"{stem}-{number}")
            yield folder
            if not (folder.path.exists() if folder.uri is None else folder.exists):
                return

    def config(self) -> StudyConfig:
        return parse(StudyConfig, read_yaml(self.study_file), str(self.study_file))

    def write_config(self, config: StudyConfig) -> None:
        self._write(self.study_file, config.resolved().model_dump(mode="json"))

    def events(self) -> list[Event]:
        """All events of the journal; none for a study that never ran.

        Raises JournalError for a journal that cannot be read, one whose scores are not those of the study's task, and
        one that is not there, or empty, although the study has results.
        """
        if self.journal.exists() and self.journal.stat().st_size:
            return list(read_journal(self.journal, self.config().scored_task.score_of))
        for result in (self.best, self.path / OPTUNA, *self.units.glob("*")):
            if result.exists():
                raise JournalError(
                    f"{self.journal}: {'empty' if self.journal.exists() else 'not there'}, although the study has run "
                    f"and left {result.relative_to(self.path)}; put the journal back from a copy, or begin a study of "
                    "another name"
                )
        return []

    def board(self, events: Iterable[Event] | None = None) -> Board:
        """The board after all events of the journal, or after `events`.

        Raises JournalError for impossible ones, and for those of a study with another objective than `study.yaml` names.
        """
        board = Board()
        # The first line is the header.
        for line, event in enumerate(self.events() if events is None else events, start=2):
            try:
                board.apply(event)
            except ValueError as error:
                raise JournalError(f"{self.journal}:{line}: {error}") from error
        named = self.config().ranking_objective if board.drivers else board.objective
        if board.objective != named:
            raise JournalError(
                f"{self.journal}: ranked by the objective {board.objective}, and {self.study_file} names {named}; put "
                "the study file back as it was"
            )
        return board

    def chain(self) -> ChainCheck:
        """Hold the check sums of the journal against its lines. Raises JournalError when it cannot be read."""
        if not self.journal.exists():
            return ChainCheck((), chained=False)
        try:
            return check_chain(self.journal)
        except OSError as error:
            raise JournalError(f"{self.journal}: cannot be read: {error.strerror}") from error

    def journal_warning(self) -> str | None:
        """Warn of a journal that something else than respsweep has changed; None for one that nothing has."""
        warning = self.chain().warning
        return None if warning is None else f"{self.journal}: {warning}"

    def provenance(self) -> dict[str, Any]:
        """Read the file of provenance.

        Raises ConfigError when it cannot be read, or the study's id is none of ours, and where something is asked of it
        by its key (`["study_id"]`) that the file has no more.
        """
        provenance = read_yaml(self.provenance_file)
        study_id = provenance.get("study_id", "")
        if not (isinstance(study_id, str) and re.fullmatch(r"[\w-]*", study_id, re.ASCII)):
            raise ConfigError(
                f"{self.provenance_file}: study_id: must be letters and digits, as it was written, got "
                f"{as_read(study_id)}"
            )
        return _Provenance(self.provenance_file, provenance)

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        self._write(self.provenance_file, provenance)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        write_whole(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))


class _Provenance(dict[str, Any]):
    """What a file of provenance holds."""

    def __init__(self, path: Path, content: dict[str, Any]) -> None:
        super().__init__(content)
        self._path = path

    def __missing__(self, key: str) -> Any:
        present = ", ".join(self) or "nothing"
        raise ConfigError(
            f"{self._path}: has no {key}, which a study writes there when it begins, but {present}; put that line back, "
            "which best.yaml has too if it was written"
        )


def _there(studies: Path | str, name: str) -> str:
    """Say what else the user may have meant: the name in a place, a study that is there, or what it is."""
    place = _named_by_place(name)
    if place is not None:
        return place
    present = present_studies(studies)
    return f"there {'is' if len(present) < 2 else 'are'} {', '.join(present) or 'none yet'}"


def _named_by_place(name: str) -> str | None:
    """Say which is the name in a place (`studies/first`) that was given as a name; None for what is no place.

    Of a file (a checkpoint, a recipe) it says that it is one.
    """
    with contextlib.suppress(OSError):
        if Path(name).is_file():
            return "that is a file, and a study is a folder"
    studies, slash, last = name.rstrip("/").rpartition("/")
    return f"that is a place: its name is {last}, in {studies or '/'}" if slash and last else None


def present_studies(studies: Path | str) -> list[str]:
    """List the studies below a path or URI by name, sorted. Raises StorageError for a store that does not answer."""
    if not is_uri(studies):
        return local_studies(studies)
    storage = open_storage(studies)
    try:
        names = [name for name in storage.entries() if not name.startswith(".")]
        return [name for name in names if storage.has(f"{name}/study.yaml")]
    except OSError as error:
        raise StorageError(f"{storage.place}: cannot be read: {error}") from error
