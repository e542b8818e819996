"""Recordings as anybody gives them: files, and folders of them, and the cycles to answer for in each.

They have no layout and no official part. Cycles are those of an annotation file, or fixed windows.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from data.any_case import file_named
from data.audio_file import AUDIO_SUFFIXES
from data.cycle import SHORTEST_CYCLE_S
from data.errors import DataError
from data.icbhi_annotations import read_annotation
from data.sprsound_annotations import read_sprsound_annotation

Span = tuple[float, float]
"""Start and end of a cycle, in seconds from the start of its recording."""
ROUNDING_S = 1e-9
"""Seconds by which sums of window lengths may be off."""
_EXPECTED = "expected a WAV or FLAC file, or a folder of them"


@dataclass(frozen=True)
class Windows:
    """Fixed windows: how long each is, and from the start of one to that of the next, in seconds."""

    window_s: float
    hop_s: float

    def spans(self, duration_s: float) -> tuple[Span, ...]:
        """Cover a recording from its start to its end; the last window ends with it, and may be shorter.

        A last window below 10 ms, which no network can hear, is left out.
        """
        found: list[Span] = []
        start_s = 0.0
        while not found or found[-1][1] < duration_s - ROUNDING_S:
            start_s = len(found) * self.hop_s
            end_s = min(start_s + self.window_s, duration_s)
            if found and end_s - start_s < SHORTEST_CYCLE_S:
                break
            found.append((start_s, end_s))
        return tuple(found)


def find_audio(given: Iterable[Path]) -> tuple[list[Path], list[str]]:
    """List the recordings that files and folders stand for, each once, and a line for each path that stands for none."""
    found: list[Path] = []
    refused: list[str] = []
    for path in given:
        try:
            found += audio_files(path)
        except DataError as error:
            refused.append(str(error))
    return list(dict.fromkeys(found)), refused


def audio_files(given: Path) -> list[Path]:
    """List the recordings that a path stands for: itself, or all in that folder and those below, sorted.

    Of a folder, files named as WAV or FLAC count; hidden ones do not. Raises DataError when nothing is there, and for a
    folder that cannot be read, or has no recordings.
    """
    try:
        there, folder = given.exists(), given.is_dir()
    except OSError as error:
        raise DataError(f"{given}: cannot be read: {error.strerror or error}; {_EXPECTED}") from error
    if not there:
        raise DataError(f"{given}: found nothing there; {_EXPECTED}")
    if not folder:
        return [given]
    found = sorted(_below(given))
    if not found:
        raise DataError(f"{given}: no recordings; expected .wav or .flac files in the folder or below it")
    return found


def annotated_spans(audio: Path, duration_s: float, folder: Path) -> tuple[Span, ...] | None:
    """Read the cycles of a recording from its annotation in `folder`; None when there is none.

    That is `STEM.txt`, ICBHI's, or `STEM.json`, SPRSound's, of which the times alone are read as an answer. Raises
    DataError for both at once, for an annotation that is broken or does not fit the recording, and for one without
    events, as SPRSound has of recordings of poor quality.
    """
    text, events = (file_named([folder], [f"{audio.stem}{suffix}"]) for suffix in (".txt", ".json"))
    if text is not None and events is not None:
        raise DataError(f"{audio}: two annotations, {text.name} and {events.name} in {folder}; expected one")
    if text is not None:
        return tuple((cycle.start_s, cycle.end_s) for cycle in read_annotation(text, duration_s))
    if events is None:
        return None
    record, found = read_sprsound_annotation(events, duration_s)
    if not found:
        raise DataError(
            f"{events}: a recording called {record}, without events; expected one, or fixed windows"
        )
    return tuple((event.start_s, event.end_s) for event in found)


def _below(folder: Path) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        raise DataError(
            f"{error.filename}: cannot be read: {error.strerror or error}; expected a folder of recordings"
        ) from error

    for place, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in files:
            if not name.startswith(".") and name.lower().endswith(AUDIO_SUFFIXES):
                yield Path(place, name)
