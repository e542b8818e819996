"""ICBHI's annotations, a text file of cycles for each recording, and its file of the official split."""

from __future__ import annotations

import codecs
import math
import re
import warnings
from pathlib import Path
from typing import Literal

from data.cycle import Cycle, check_times
from data.errors import DataError

Part = Literal["train", "test"]
ICBHI_PARTS: tuple[Part, ...] = ("train", "test")


def read_annotation(path: Path, duration_s: float = math.inf) -> tuple[Cycle, ...]:
    """Read the cycles of one recording, a line each: start, end in seconds, crackle 0/1, wheeze 0/1, tab-separated.

    The flags make the labels of the task `icbhi`: 0 normal, 1 crackle, 2 wheeze, 3 both. Raises DataError, with the
    line, for anything but two times and two flags, for times that are negative, reversed, not finite, or not
    inside a recording of `duration_s` seconds (`data.cycle.check_times`), and for a file without cycles. Warns of a
    cycle that is there twice.
    """
    rows = _rows(path)
    cycles = tuple(_cycle(where, line, row, duration_s) for where, line, row in rows)
    if not cycles:
        raise DataError(
            f"{path}: no cycles; expected a line for each breath: start, end, crackle 0/1, wheeze 0/1"
        )
    first: dict[tuple[float, float], str] = {}
    for (where, *_), cycle in zip(rows, cycles, strict=True):
        earlier = first.setdefault((cycle.start_s, cycle.end_s), where)
        if earlier is not where:
            warnings.warn(
                f"{where}: the same times as {earlier.removeprefix(f'{path} ')}; the breath counts twice",
                stacklevel=2,
            )
    return cycles


def read_split(path: Path) -> dict[str, Part]:
    """Read each recording's part, by its name without suffix, from lines `NAME<TAB>train` or `NAME<TAB>test`.

    Both files in circulation are read: `official_split.txt` and `ICBHI_challenge_train_test.txt`. Raises
    DataError for any other line, for a recording in both parts, and for a file without recordings.
    """
    parts: dict[str, Part] = {}
    for where, line, row in _rows(path):
        name, part = (row[0], row[1].lower()) if len(row) == 2 else ("", "")
        name = re.sub(r"\.(wav|flac)$", "", name, flags=re.IGNORECASE)
        if part not in ("train", "test") or not name:
            raise DataError(f"{where}: read {_quote(line)}; expected a recording's name and train or test")
        if parts.setdefault(name, part) != part:
            raise DataError(
                f"{where}: {name} is in {part}, but was in {parts[name]} above; expected one part each"
            )
    if not parts:
        raise DataError(
            f"{path}: names no recordings; expected lines with a recording's name and train or test"
        )
    return parts


def _cycle(where: str, line: str, row: list[str], duration_s: float) -> Cycle:
    if len(row) != 4 or row[2] not in ("0", "1") or row[3] not in ("0", "1"):
        point = "; decimals need a point, as 0.5" if re.search(r"\d,\d", line) and len(row) > 4 else ""
        raise DataError(
            f"{where}: read {_quote(line)}; expected start and end in seconds, crackle 0 or 1, wheeze 0 or 1{point}"
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


def _rows(path: Path) -> list[tuple[str, str, list[str]]]:
    """Lines of a text file that are not empty: where each is, what it says, and its fields."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; expected a text file") from error
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: text in UTF-16; expected UTF-8, so save it again as that")
    try:
        lines = content.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not text (byte {error.start}); expected a text file in UTF-8") from error
    return [
        (f"{path} line {number}", line, line.replace(",", " ").split())
        for number, line in enumerate(lines, 1)
        if line.strip()
    ]


def _quote(line: str) -> str:
    text = " ".join(line.split())
    return repr(text if len(text) <= 60 else text[:57] + "...")
