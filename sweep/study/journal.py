"""The events of a study as lines of JSON: written as they happen, read back into a board."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from data.errors import UserError
from sweep.study.events import ConfigurationAdded, ConfigurationDropped, EpochReported, Event, UnitPlaced

FORMAT = 2
AT_LEISURE = ConfigurationAdded, ConfigurationDropped, EpochReported, UnitPlaced
"""Events after which nobody waits for the disk."""
_EVENTS = {event.__name__: event for event in get_args(Event)}


class JournalError(UserError):
    """A journal that cannot be read."""


class Journal:
    """Append-only file of events with one writer.

    Once `write` returns, an event outlives the death of this process, and a decision that of the machine. Reports are
    no decisions: the checkpoint of the unit holds them as well. Nor is the place that a unit came to. That a
    configuration was added or dropped is on disk at the latest with the next unit that starts. An event that `write`
    could not write, on a full disk say, is kept, and stands in the file before the next one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        path.touch(mode=0o600)
        self._file = path.open("r+b", buffering=0)
        # A line without its end was torn by a crash, and must not begin the next line.
        self._end = self._file.truncate(self._file.read().rfind(b"\n") + 1)
        self._unwritten = b""
        if not self._end:
            self._append({"journal": "respsweep", "format": FORMAT}, to_disk=True)

    def write(self, event: Event) -> None:
        content = {"event": type(event).__name__, **asdict(event)}
        # Most samplers have none, and lines are read by people.
        if not content.get("sampler_state", True):
            del content["sampler_state"]
        self._append(content, to_disk=not isinstance(event, AT_LEISURE))

    def close(self) -> None:
        self._file.close()

    def _append(self, line: dict[str, Any], *, to_disk: bool) -> None:
        self._unwritten += json.dumps(line, allow_nan=False).encode() + b"\n"
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


def read_journal(path: Path) -> Iterator[Event]:
    """Read events in the order they happened.

    A torn last line, left by a crash in the middle of a write, is skipped. Raises JournalError for any other
    line that cannot be read, with its number.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise JournalError(f"{path}: cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        # Every whole line ends in a newline, so what follows the last one is empty, or torn.
        if number == len(lines):
            return
        try:
            content = json.loads(line)
            if number == 1:
                _check_header(path, content)
                continue
            event = _event(content)
        except (ValueError, KeyError, TypeError) as error:
            shown = line[:80].decode(errors="replace")
            raise JournalError(f"{path}:{number}: not an event of this version: {shown}") from error
        yield event


def _event(content: dict[str, Any]) -> Event:
    kind = _EVENTS[content["event"]]
    fields = {key: value for key, value in content.items() if key != "event"}
    # JSON has no tuples; no searched value is a list.
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in fields.items()}
    if "values" in fields:
        fields["values"] = {
            path: tuple(value) if isinstance(value, list) else value
            for path, value in fields["values"].items()
        }
    return kind(**fields)


def _check_header(path: Path, content: dict[str, Any]) -> None:
    if content["format"] != FORMAT:
        raise JournalError(f"{path}: journal format {content['format']!r}, this version reads {FORMAT}")
