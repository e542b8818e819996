"""The events of a study as lines of JSON: written as they happen, read back into a board."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import TypeAdapter, ValidationError

from data.errors import UserError, as_read
from data.json_text import parse_json
from evidence.chain import CHAIN, Chain
from evidence.scores import sensitivity
from sweep.study.epoch_report import content_fault, shape_fault
from sweep.study.events import ConfigurationAdded, ConfigurationDropped, EpochReported, Event, UnitPlaced

FORMAT = 2
AT_LEISURE = ConfigurationAdded, ConfigurationDropped, EpochReported, UnitPlaced
"""Events after which nobody waits for the disk."""
ROUNDING = 1e-6
"""Largest distance of a score from what its two rates make."""
Score = Callable[[float, float], float]
"""Makes a score of specificity and sensitivity."""
_EVENTS: dict[str, TypeAdapter[Event]] = {event.__name__: TypeAdapter(event) for event in get_args(Event)}


class JournalError(UserError):
    """A journal that cannot be read."""


class Journal:
    """Append-only file of events with one writer.

    Once `write` returns, an event outlives the death of this process, and a decision that of the machine. Reports are
    no decisions: the checkpoint of the unit holds them as well. Nor is the place that a unit came to. That a
    configuration was added or dropped is on disk at the latest with the next unit that starts. An event that `write`
    could not write, on a full disk say, is kept, and stands in the file before the next one.

    Each line ends in a check sum of itself and of all lines before (`evidence.chain`), so that a journal which
    somebody has changed is seen.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)
        self._file = path.open("r+b", buffering=0)
        self._chain = Chain()
        *lines, torn = (content := self._file.read()).split(b"\n")
        for line in lines:
            self._chain.follows(line)
        # A line without its end was torn by a crash, and must not begin the next line.
        self._end = self._file.truncate(len(content) - len(torn))
        self._unwritten = b""
        if not self._end:
            self._append({"journal": "respsweep", "format": FORMAT}, to_disk=True)

    def write(self, event: Event) -> None:
        self._append(told(event), to_disk=not isinstance(event, AT_LEISURE))

    def close(self) -> None:
        self._file.close()

    def _append(self, line: dict[str, Any], *, to_disk: bool) -> None:
        self._unwritten += self._chain.seal(json.dumps(line, allow_nan=False).encode()) + b"\n"
        try:
            # What an earlier try left of a line after `_end` is the beginning of what is written over it.
            self._file.seek(self._end)
            left = memoryview(self._unwritten)
            while left:
                left = left[self._file.write(left) :]
            if to_disk:
                os.fsync(self._file.fileno())
        except OSError as error:
            raise OSError(error.errno, error.strerror, str(self._path)) from error
        self._end, self._unwritten = self._end + len(self._unwritten), b""


def told(event: Event) -> dict[str, Any]:
    """Write an event as a line of a journal holds it: its kind under `event`, then its fields."""
    content = {"event": type(event).__name__, **asdict(event)}
    # Most samplers have none, and lines are read by people.
    if not content.get("sampler_state", True):
        del content["sampler_state"]
    return content


def read_journal(path: Path, score_of: Score | None = None) -> Iterator[Event]:
    """Read events in the order they happened.

    A torn last line, left by a crash in the middle of a write, is skipped. `score_of` makes the study's score of
    specificity and sensitivity; with it, each report's scores are held against its rates and its confusion matrix.
    Raises JournalError for a line that cannot be read, with its number and what is wrong with it. The check sums are
    left to `evidence.chain`.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
    # Every whole line ends in a newline, so what follows the last one is empty, or torn.
    for number, line in enumerate(lines[:-1], start=1):
        try:
            if number == 1:
                _check_header(parse_json(line))
                continue
            event = _event(parse_json(line))
            if isinstance(event, EpochReported):
                _check_report(event.report, score_of)
        except _ImpossibleError as error:
            raise JournalError(f"{path}:{number}: {error}") from None
        except ValueError as error:
            shown = line[:80].decode(errors="replace")
            raise JournalError(
                f"{path}:{number}: not an event of this version{_place(error)}: {shown}"
            ) from None
        yield event


class _ImpossibleError(Exception):
    """A line that says what cannot be."""


def _check_header(content: Any) -> None:
    if not isinstance(content, dict) or "format" not in content:
        raise ValueError
    if content["format"] != FORMAT:
        raise _ImpossibleError(f"journal format {as_read(content['format'])}, this version reads {FORMAT}")


def _event(content: Any) -> Event:
    """Make the event of a line. Raises ValueError for a line of another kind."""
    kind = content.get("event") if isinstance(content, dict) else None
    if not (isinstance(kind, str) and kind in _EVENTS):
        raise ValueError
    return _EVENTS[kind].validate_python(
        {key: value for key, value in content.items() if key not in ("event", CHAIN)}
    )


def _check_report(report: Mapping[str, Any], score_of: Score | None) -> None:
    if (fault := shape_fault(report) or content_fault(report)) is not None:
        raise _ImpossibleError(fault)
    if score_of is None or not {"sensitivity", "specificity"} <= report.keys():
        return
    right = score_of(float(report["specificity"]), float(report["sensitivity"]))
    if abs(report["score"] - right) > ROUNDING:
        raise _ImpossibleError(
            f"epoch {report['epoch']} was reported with score {report['score']:g}, but sensitivity "
            f"{report['sensitivity']:g} and specificity {report['specificity']:g} make {right:.6f}"
        )
    _check_any_abnormal(report, score_of)


def _check_any_abnormal(report: Mapping[str, Any], score_of: Score) -> None:
    """Hold the any-abnormal score of a report with rates against its confusion matrix, or else against its score."""
    told = report.get("any_abnormal_score")
    if told is None:
        return
    if "confusion" not in report:
        if told < report["score"] - ROUNDING:
            raise _ImpossibleError(
                f"epoch {report['epoch']} was reported with any_abnormal_score {told:g}, below its score "
                f"{report['score']:g}, although every abnormal answer counts"
            )
        return
    confusion = _counts(report["confusion"])
    found = None if confusion is None else sensitivity(confusion, any_abnormal=True)
    if confusion is None or found is None:
        raise _ImpossibleError(
            f"epoch {report['epoch']} was reported with a confusion matrix that is none; expected as many rows as "
            "columns of counts, with abnormal cycles"
        )
    right = score_of(float(report["specificity"]), found)
    if abs(told - right) > ROUNDING:
        raise _ImpossibleError(
            f"epoch {report['epoch']} was reported with any_abnormal_score {told:g}, but its confusion matrix makes "
            f"{right:.6f}"
        )


def _counts(confusion: Any) -> np.ndarray | None:
    """Read a square matrix of counts; None for anything else."""
    rows = confusion if isinstance(confusion, list) else []
    whole = all(isinstance(row, list) and len(row) == len(rows) for row in rows)
    if not rows or not whole:
        return None
    counts = [cell for row in rows for cell in row]
    if not all(type(cell) is int and 0 <= cell < 2**53 for cell in counts):
        return None
    return np.array(counts, dtype=np.int64).reshape(len(rows), -1)


def _place(error: ValueError) -> str:
    """Name the field that is wrong, and what it must be; empty for a line that is no such event at all."""
    if not isinstance(error, ValidationError):
        return ""
    problem = error.errors()[0]
    place = ".".join(map(str, problem["loc"]))
    return f" ({place}: {problem['msg'].replace('Input should be', 'must be')})"
