"""The folder of a study: what it was asked, what happened, what came out."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from data.config import parse, read_yaml
from sweep.board import Board
from sweep.config import StudyConfig
from sweep.events import Event
from sweep.export import write_whole
from sweep.journal import JournalError, read_journal


class FolderError(ValueError):
    """A study that is not there, or a place where none can be."""


@dataclass(frozen=True)
class StudyFolder:
    """Paths of one study, `STUDIES/NAME/`."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def arguments(self) -> str:
        """How a command line names it."""
        return (
            self.name if self.path.parent == Path("studies") else f"{self.name} --studies {self.path.parent}"
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
        """What the study's numbers rest on: data, folds, versions, commit."""
        return self.path / "provenance.yaml"

    @property
    def units(self) -> Path:
        """Checkpoints of the units that run."""
        return self.path / "units"

    @property
    def artifacts(self) -> Path:
        """MLflow's files."""
        return self.path / "artifacts"

    @property
    def best(self) -> Path:
        return self.path / "best.yaml"

    @property
    def exists(self) -> bool:
        return self.study_file.exists()

    @classmethod
    def create(cls, studies: Path, name: str, config: StudyConfig) -> StudyFolder:
        """A new folder with its study file. Raises FolderError when it exists, or cannot be made."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise FolderError(f"--name {name}: use letters, digits, dots, dashes and underscores")
        folder = cls(studies / name)
        try:
            folder.path.mkdir(parents=True)
        except FileExistsError:
            raise FolderError(f"{folder.path} is there and is no study; take another --name") from None
        except OSError as error:
            raise FolderError(f"{folder.path}: cannot be made: {error.strerror}") from error
        folder.write_config(config)
        return folder

    @classmethod
    def open(cls, studies: Path, name: str) -> StudyFolder:
        """An existing study. Raises FolderError naming those that exist."""
        folder = cls(studies / name)
        if not folder.exists:
            present = sorted(path.parent.name for path in studies.glob("*/study.yaml"))
            raise FolderError(
                f"no study {name!r} in {studies}/; there "
                + (f"are {', '.join(present)}" if present else "is none yet")
            )
        return folder

    @classmethod
    def names(cls, studies: Path, stem: str) -> Iterator[str]:
        """`stem`, `stem-2`, `stem-3`, ..., up to the first that is free."""
        for number in itertools.count(1):
            name = stem if number == 1 else f"{stem}-{number}"
            yield name
            if not (studies / name).exists():
                return

    def config(self) -> StudyConfig:
        return parse(StudyConfig, read_yaml(self.study_file), str(self.study_file))

    def write_config(self, config: StudyConfig) -> None:
        self._write(self.study_file, config.resolved().model_dump(mode="json"))

    def events(self) -> list[Event]:
        """All that happened; nothing for a study that never ran. Raises JournalError."""
        return list(read_journal(self.journal)) if self.journal.exists() else []

    def board(self, events: Iterable[Event] | None = None) -> Board:
        """The board as the journal, or `events` of it, tell it. Raises JournalError when it cannot be so."""
        board = Board()
        for event in self.events() if events is None else events:
            try:
                board.apply(event)
            except ValueError as error:
                raise JournalError(f"{self.journal}: {error}") from error
        return board

    def provenance(self) -> dict[str, Any]:
        return read_yaml(self.provenance_file)

    def write_provenance(self, provenance: dict[str, Any]) -> None:
        self._write(self.provenance_file, provenance)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        write_whole(path, yaml.safe_dump(content, sort_keys=False, allow_unicode=True))
