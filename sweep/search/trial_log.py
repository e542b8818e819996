"""Where Optuna keeps a study's trials: in its own file format, with results so far for those that still run."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Collection, Container, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, TrialState

from sweep.study.journal import JournalError, cut_torn_line


class InterimStorage(JournalStorage):
    """Optuna's journal in `path`, or in memory without one, in which samplers see a trial's result before it is told.

    An Optuna trial can be told once, and ours has several results, one after the other: `show` lets all that read
    the trials through this object take one for COMPLETE with some values. The file says what was told.
    Raises JournalError for a file that Optuna did not write.
    """

    def __init__(self, path: Path | None) -> None:
        self._shown: dict[int, FrozenTrial] = {}
        self._log = _TrialLog(path)
        super().__init__(self._log)

    def show(self, trial_id: int, values: Sequence[float]) -> None:
        trial = copy.copy(self.get_trial(trial_id))
        trial.state = TrialState.COMPLETE
        trial.values = values
        trial.datetime_complete = trial.datetime_complete or datetime.now()
        self._shown[trial_id] = trial

    def hide(self, trial_id: int) -> None:
        """Let the trial be seen as the file has it."""
        self._shown.pop(trial_id, None)

    def get_all_trials(
        self, study_id: int, deepcopy: bool = True, states: Container[TrialState] | None = None
    ) -> list[FrozenTrial]:
        told = super().get_all_trials(study_id, deepcopy=False)
        trials = [self._shown.get(trial._trial_id, trial) for trial in told]
        if states is not None:
            trials = [trial for trial in trials if trial.state in states]
        return copy.deepcopy(trials) if deepcopy else trials

    def get_told_trials(self, study_id: int) -> list[FrozenTrial]:
        """The trials as the file has them. Not to be changed."""
        return super().get_all_trials(study_id, deepcopy=False)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What is written inside reaches the file at once, at the end: faster, and a crash leaves all or nothing."""
        with self._log.together():
            yield


def reopen(path: Path, trial_ids: Collection[int]) -> None:
    """Take back what these trials in a closed file were told, so that they can be told something else."""
    lines = path.read_bytes().splitlines(keepends=True)
    draft = path.with_name(path.name + ".draft")
    draft.write_bytes(b"".join(line for line in lines if not _tells(json.loads(line), trial_ids)))
    os.replace(draft, path)


def _tells(record: dict[str, Any], trial_ids: Collection[int]) -> bool:
    return "state" in record and "values" in record and record.get("trial_id") in trial_ids


class _TrialLog(BaseJournalBackend):
    """Lines of Optuna's journal. One writer, so no lock that a killed one could leave behind.

    Lines are not forced to disk: what a power cut takes is restored from the study's own journal.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._unread = [] if path is None else _read(path)
        self._read = 0
        self._held: list[bytes] | None = None

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        del self._unread[: log_number_from - self._read]
        self._read = log_number_from
        return list(self._unread)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = [json.dumps(log, separators=(",", ":")).encode() for log in logs]
        self._unread += map(json.loads, lines)
        if self._held is None:
            self._write(lines)
        else:
            self._held += lines

    @contextmanager
    def together(self) -> Iterator[None]:
        if self._held is not None:
            yield
            return
        self._held = []
        try:
            yield
        finally:
            lines, self._held = self._held, None
            self._write(lines)

    def _write(self, lines: list[bytes]) -> None:
        if self._path is not None and lines:
            with self._path.open("ab") as file:
                file.write(b"\n".join(lines) + b"\n")


def _read(path: Path) -> list[dict[str, Any]]:
    cut_torn_line(path)
    records = []
    for number, line in enumerate(path.read_bytes().splitlines() if path.exists() else [], start=1):
        try:
            record = json.loads(line)
            record["op_code"]
        except (ValueError, KeyError, TypeError) as error:
            shown = line[:80].decode(errors="replace")
            raise JournalError(
                f"{path}:{number}: not a line of Optuna's journal: {shown}; without this file, it is restored from "
                "journal.jsonl"
            ) from error
        records.append(record)
    return records
