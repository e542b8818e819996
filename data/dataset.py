"""What a data set holds: recordings with their breaths, the official parts, and a census of both."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.annotations import LABELS, PARTS, Cycle, Part, annotation_path
from data.digests import file_digests
from data.patients import Patient


@dataclass(frozen=True)
class Recording:
    """One audio file and its breaths.

    `name` is the file's name without suffix, `location` the place on the chest, `mode` single- or multi-channel,
    `sample_rate` in Hz and `frames` the length in samples. `device` is what the split's file says where the audio
    file's name says otherwise.
    """

    name: str
    path: Path
    patient: int
    location: str
    mode: str
    device: str
    part: Part
    sample_rate: int
    frames: int
    cycles: tuple[Cycle, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class DataSet:
    """All recordings of a folder, sorted by name, and what is known of their patients.

    `patients_in_both_parts` are those whom the official split, also where their audio is absent, has in both
    parts: 156 and 218 of ICBHI.
    """

    directory: Path
    recordings: tuple[Recording, ...]
    patients: Mapping[int, Patient]
    patients_in_both_parts: frozenset[int]

    def part(self, part: Part) -> tuple[Recording, ...]:
        """Select the recordings of the official training or test part."""
        return tuple(recording for recording in self.recordings if recording.part == part)

    def content_hash(self, cache: Path | None = None) -> str:
        """SHA-256 over names, devices, parts and the bytes of audio and annotations, wherever the files lie.

        With a `cache` folder the digests of unchanged files are remembered there.
        """
        paths = [
            path
            for recording in self.recordings
            for path in (recording.path, annotation_path(recording.path))
        ]
        digests = iter(file_digests(paths, cache))
        lines = [
            f"{r.name}\t{r.device}\t{r.part}\t{next(digests)}\t{next(digests)}\n" for r in self.recordings
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Census:
    """Counts of a data set, by official part; cycles are counted in the order of LABELS."""

    cycles: Mapping[Part, tuple[int, ...]]
    recordings: Mapping[Part, int]
    patients: Mapping[Part, int]
    devices: Mapping[Part, Mapping[str, int]]


def census(data: DataSet) -> Census:
    """Count recordings, patients, devices and cycles per class in each part of `data`."""
    parts: dict[Part, tuple[Recording, ...]] = {part: data.part(part) for part in PARTS}
    labels = {part: Counter(cycle.label for r in held for cycle in r.cycles) for part, held in parts.items()}
    return Census(
        cycles={part: tuple(labels[part][label] for label in range(len(LABELS))) for part in parts},
        recordings={part: len(held) for part, held in parts.items()},
        patients={part: len({r.patient for r in held}) for part, held in parts.items()},
        devices={part: dict(Counter(r.device for r in held).most_common()) for part, held in parts.items()},
    )
