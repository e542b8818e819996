"""The cycles of a recording, and ICBHI's files of cycles and of the official split."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from data.errors import DataError

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = ("train", "test")

END_TOLERANCE_S = 0.05
"""How far a cycle may reach past the end of its recording, in seconds; the cycle is clipped there.

Annotations are rounded to milliseconds or less. Of 216 recordings of ICBHI 61 end before
their last cycle does, all by at most one sample (0.25 ms). The tolerance stays inside the 62.5 ms fade-out
that ends every recording.
"""
SHORTEST_CYCLE_S = 0.01
"""Length in seconds below which a cycle is refused."""


@dataclass(frozen=True)
class Cycle:
    """One annotated breath, or a whole recording: seconds from the recording's start, and a label.

    `label` is a position in the labels of the task that the data set was read for (`data.task`).
    """

    start_s: float
    end_s: float
    label: int


def annotation_path(audio: Path) -> Path:
    """The text file beside an ICBHI recording that lists the recording's cycles."""
    return audio.with_suffix(".txt")


def read_annotation(path: Path, duration_s: float = math.inf) -> tuple[Cycle, ...]:
    """Read the cycles of one recording, a line each: start, end in seconds, crackle 0/1, wheeze 0/1, tab-separated.

    The flags make the labels of the task `icbhi`: 0 normal, 1 crackle, 2 wheeze, 3 both. Raises DataError, with the
    line, for anything but two times and two flags, for times that are negative, reversed, not finite or more than
    `END_TOLERANCE_S` beyond `duration_s`, for a cycle under 10 ms, and for a file without cycles.
    """
    cycles = tuple(_cycle(where, row, duration_s) for where, row in _rows(path))
    if not cycles:
        raise DataError(
            f"{path}: no cycles; expected a line for each breath: start, end, crackle 0/1, wheeze 0/1"
        )
    return cycles


def read_split(path: Path) -> dict[str, Part]:
    """Read each recording's part, by its name without suffix, from lines `NAME<TAB>train` or `NAME<TAB>test`.

    Both files in circulation are read: `official_split.txt` and `ICBHI_challenge_train_test.txt`. Raises
    DataError for any other line, for a recording in both parts, and for a file without recordings.
    """
    parts: dict[str, Part] = {}
    for where, row in _rows(path):
        name, part = (row[0], row[1].lower()) if len(row) == 2 else ("", "")
        name = name.removesuffix(".wav").removesuffix(".flac")
        if part not in ("train", "test"):
            raise DataError(f"{where}: read {_quote(row)}; expected a recording's name and train or test")
        if parts.setdefault(name, part) != part:
            raise DataError(
                f"{where}: {name} is in {part}, but was in {parts[name]} above; expected one part each"
            )
    if not parts:
        raise DataError(
            f"{path}: names no recordings; expected lines with a recording's name and train or test"
        )
    return parts


def check_times(where: str, start_s: float, end_s: float, duration_s: float) -> None:
    """Raise DataError, beginning with `where`, for a cycle that is not inside a recording of `duration_s` seconds.

    That is one that ends before it starts, or more than `END_TOLERANCE_S` beyond the recording, or of which less than
    10 ms are heard.
    """
    if end_s <= start_s:
        raise DataError(
            f"{where}: the cycle ends at {end_s:g} s, but starts at {start_s:g} s; expected end after start"
        )
    if end_s > duration_s + END_TOLERANCE_S:
        raise DataError(
            f"{where}: the cycle ends at {end_s:g} s, but the recording lasts {duration_s:.3f} s; "
            "expected an end inside the recording"
        )
    heard_s = min(end_s, duration_s) - start_s
    if heard_s < SHORTEST_CYCLE_S:
        raise DataError(
            f"{where}: a cycle of {max(heard_s, 0.0):g} s; expected at least {SHORTEST_CYCLE_S:g} s"
        )


def _cycle(where: str, row: list[str], duration_s: float) -> Cycle:
    if len(row) != 4 or row[2] not in ("0", "1") or row[3] not in ("0", "1"):
        raise DataError(
            f"{where}: read {_quote(row)}; expected start and end in seconds, crackle 0 or 1, wheeze 0 or 1"
        )
    start_s, end_s = (_time(where, text) for text in row[:2])
    check_times(where, start_s, end_s, duration_s)
    return Cycle(start_s, end_s, int(row[2]) + 2 * int(row[3]))


def _time(where: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds) or seconds < 0:
        raise DataError(f"{where}: read the time {text!r}; expected seconds, 0 or more")
    return seconds


def _rows(path: Path) -> list[tuple[str, list[str]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; expected a text file") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text (byte {error.start}); expected a text file") from error
    return [
        (f"{path} line {number}", line.replace(",", " ").split())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _quote(row: list[str]) -> str:
    text = " ".join(row)
    return repr(text if len(text) <= 60 else text[:57] + "...")
