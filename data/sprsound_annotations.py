"""SPRSound's annotations: a JSON file a recording, with the recording's class and the events in it."""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from data.cycle import check_times
from data.errors import DataError, as_read

EVENTS = ("Normal", "Rhonchi", "Wheeze", "Stridor", "Coarse Crackle", "Fine Crackle", "Wheeze+Crackle")
RECORDS = ("Normal", "CAS", "DAS", "CAS & DAS", "Poor Quality")
POOR_QUALITY = "Poor Quality"

LABELS_OF: dict[str, dict[str, int]] = {
    "icbhi": {
        "Normal": 0,
        "Coarse Crackle": 1,
        "Fine Crackle": 1,
        "Rhonchi": 2,
        "Wheeze": 2,
        "Stridor": 2,
        "Wheeze+Crackle": 3,
    },
    "1-1": {name: min(position, 1) for position, name in enumerate(EVENTS)},
    "1-2": {name: position for position, name in enumerate(EVENTS)},
    "2-1": {"Normal": 0, "CAS": 1, "DAS": 1, "CAS & DAS": 1, "Poor Quality": 2},
    "2-2": {name: position for position, name in enumerate(RECORDS)},
}
"""By task, the label of each event type, or of each class of whole recordings.

As ICBHI's, either crackle is a crackle, and a rhonchus or a stridor, continuous as a wheeze, is a wheeze.
"""


@dataclass(frozen=True)
class Event:
    """One annotated breath, in seconds from the start of its recording, and which of `EVENTS` it is."""

    start_s: float
    end_s: float
    type: str


def read_sprsound_annotation(path: Path, duration_s: float = math.inf) -> tuple[str, tuple[Event, ...]]:
    """Read the class of a recording (one of `RECORDS`) and its events; times in the file are milliseconds.

    Times are numbers, or texts that hold one in digits alone. Raises DataError, with the event, for: a file that is not
    such JSON, or has a key twice; a class or type that is not SPRSound's; times that are negative, reversed, not
    finite, or beyond the recording's end (`data.cycle.check_times`); an event twice; a recording without events,
    unless its quality is poor, and then one with events.
    """
    content = _content(path)
    record, listed = content["record_annotation"], content["event_annotation"]
    if record not in RECORDS:
        raise DataError(
            f"{path}: record_annotation is {_quote(record)}; expected one of {', '.join(RECORDS)}"
        )
    events = tuple(
        _event(f"{path} event {number}", event, duration_s) for number, event in enumerate(listed, 1)
    )
    for number, event in enumerate(events, 1):
        if (first := events.index(event) + 1) < number:
            raise DataError(f"{path} event {number}: the same as event {first}; expected each event once")
    if (record == POOR_QUALITY) == bool(events):
        expected = "none in a recording of poor quality" if events else "at least one, or Poor Quality"
        raise DataError(f"{path}: {len(events)} events in a recording called {record}; expected {expected}")
    return record, events


def _content(path: Path) -> dict[str, Any]:
    expected = 'expected {"record_annotation": ..., "event_annotation": [...]}'
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_object)
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; {expected}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); {expected}") from error
    if (
        not isinstance(content, dict)
        or not isinstance(content.get("record_annotation"), str)
        or not isinstance(content.get("event_annotation"), list)
    ):
        raise DataError(f"{path}: read {_quote(content)}; {expected}")
    return content


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(
            f"the key {next(name for name in names if names.count(name) > 1)!r} is written twice"
        )
    return content


def _event(where: str, event: Any, duration_s: float) -> Event:
    if not isinstance(event, dict) or not {"start", "end", "type"} <= event.keys():
        raise DataError(f"{where}: read {_quote(event)}; expected start, end and type")
    if event["type"] not in EVENTS:
        raise DataError(f"{where}: type is {_quote(event['type'])}; expected one of {', '.join(EVENTS)}")
    start_s, end_s = (_seconds(where, event[name]) for name in ("start", "end"))
    check_times(where, start_s, end_s, duration_s)
    return Event(start_s, end_s, event["type"])


_NUMBER = re.compile(r"\s*\d+(\.\d*)?\s*", re.ASCII)


def _seconds(where: str, written: Any) -> float:
    milliseconds = math.nan
    is_number = isinstance(written, int | float) and not isinstance(written, bool)
    if is_number or (isinstance(written, str) and _NUMBER.fullmatch(written)):
        with contextlib.suppress(ValueError, OverflowError):
            milliseconds = float(written)
    if not math.isfinite(milliseconds) or milliseconds < 0:
        raise DataError(f"{where}: read the time {_quote(written)}; expected milliseconds, 0 or more")
    return milliseconds / 1000


def _quote(content: Any) -> str:
    text = as_read(content)
    return text if len(text) <= 60 else text[:57] + "..."
