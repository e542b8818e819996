"""`optuna.journal` in a study's folder: the study as Optuna's own file, for optuna-dashboard and `optuna.load_study`."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.study import StudyDirection

from data.atomic import write_whole
from sweep.config.study_config import StudyConfig
from sweep.search.trials import TrialBuilder
from sweep.study.board import Board
from sweep.study.events import Event, NodeAccused, StudyStarted, StudyStopped, UnitEnded

log = logging.getLogger(__name__)

SHARE = 0.1
"""A further export waits until the units that have ended are more by this share, so that all exports of a study
together cost about eleven times its last one, however large the study is."""


class OptunaExport:
    """Writes the study `name` to `path` as it goes on: a listener of its events. Nothing is ever read from the file.

    Each export replaces the whole file, when a driver starts and stops and now and then as units end. One that cannot
    be written is logged, and does not disturb the study.
    """

    def __init__(self, path: Path, name: str, config: StudyConfig, board: Board) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._path = path
        self._name = name
        self._objectives = len(config.objectives)
        self._builder = TrialBuilder(config.space, config.objectives)
        self._board = board
        self._next = 0
        self._trials: dict[int, str] = {}
        """Lines of the configurations that are as they were at an earlier export, by number."""

    def __call__(self, event: Event) -> None:
        match event:
            case StudyStarted():
                # With other seeds another configuration may be complete.
                self._trials.clear()
            case StudyStopped() | NodeAccused():
                pass
            case _:
                self._trials.pop(event.configuration, None)
        ended = self._board.ended.total()
        if isinstance(event, StudyStarted | StudyStopped) or (
            isinstance(event, UnitEnded) and ended >= self._next
        ):
            self._next = ended + max(1, int(SHARE * ended))
            try:
                self.write()
            except OSError as error:
                log.warning("%s: not written: %s", self._path, error)

    def write(self) -> None:
        """Write the study as it is now. Raises OSError."""
        lines = _Lines()
        study = optuna.create_study(
            study_name=self._name,
            storage=JournalStorage(lines),
            directions=[StudyDirection.MAXIMIZE] * self._objectives,
        )
        text = [lines.take()]
        for configuration in self._board.configurations:
            number = configuration.number
            if number not in self._trials:
                study.add_trial(self._builder.for_people(configuration, self._board.fate(number)))
                self._trials[number] = lines.take()
            text.append(self._trials[number])
        # A file that is lost with the machine is written anew when the study is taken up.
        write_whole(self._path, "".join(text), to_disk=False)


class _Lines(BaseJournalBackend):
    """Lines of Optuna's journal, in memory."""

    def __init__(self) -> None:
        self._written: list[dict[str, Any]] = []
        self._taken = 0

    def take(self) -> str:
        """The lines since the last call, as text."""
        lines, self._taken = self._written[self._taken :], len(self._written)
        return "".join(json.dumps(line) + "\n" for line in lines)

    def read_logs(self, log_number_from: int) -> Sequence[dict[str, Any]]:
        return self._written[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        self._written += logs
