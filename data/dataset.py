"""What a data set holds: recordings with their cycles, a task, official parts, and a census of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.cycle import Cycle
from data.digests import file_digests
from data.errors import DataError
from data.patients import Patient
from data.task import Task
from evidence.ledger import Seal

TRAINING_PART = "train"
"""The official part that everything but a sealed reading sees."""


class SealedPartError(DataError):
    """The official test part, asked for by something else than a reading that was sealed."""


def check_part(part: str, data_hash: str, seal: Seal | None) -> None:
    """Let the training part pass, and others with a seal of the same data. Raises SealedPartError."""
    if part != TRAINING_PART and (seal is None or seal.data_hash != data_hash):
        raise SealedPartError(
            f"the {part} part of these recordings is read by `respsweep test`, or by a study whose file asks for it; "
            "both write down that it was"
        )


@dataclass(frozen=True)
class Recording:
    """One audio file and its cycles.

    `name` is the file's name without suffix, `location` the place on the chest, `mode` single- or multi-channel,
    `sample_rate` in Hz and `frames` the length in samples. `device` is what the split's file says where the audio
    file's name says otherwise. `annotation` is the file that the cycles are from.
    """

    name: str
    path: Path
    annotation: Path
    patient: int
    location: str
    mode: str
    device: str
    part: str
    sample_rate: int
    frames: int
    cycles: tuple[Cycle, ...]

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return self.frames / self.sample_rate


@dataclass(frozen=True)
class Published:
    """Counts of a whole public database, by official part: recordings, and cycles in the order of a task's labels."""

    name: str
    recordings: Mapping[str, int]
    cycles: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class DataSet:
    """All recordings of a folder for one task, sorted by name, and what is known of their patients.

    `parts` are the official parts, of which the first is for training. Patients of `never_validate` are trained on and
    never validated on, as the reader of the data set explains. `published` counts the whole database; None for
    recordings that are none of a published one. `read` says in a line each which folders and files were read.
    """

    directory: Path
    task: Task
    parts: tuple[str, ...]
    recordings: tuple[Recording, ...]
    patients: Mapping[int, Patient]
    never_validate: frozenset[int]
    published: Published | None
    read: tuple[str, ...] = ()

    def part(self, part: str) -> tuple[Recording, ...]:
        """Select the recordings of an official part."""
        return tuple(recording for recording in self.recordings if recording.part == part)

    def content_hash(self, cache: Path | None = None) -> str:
        """SHA-256 over names, devices, parts and the bytes of audio and annotations, wherever the files lie.

        With a `cache` folder the digests of unchanged files are remembered there.
        """
        paths = [path for recording in self.recordings for path in (recording.path, recording.annotation)]
        digests = iter(file_digests(paths, cache))
        lines = [
            f"{r.name}\t{r.device}\t{r.part}\t{next(digests)}\t{next(digests)}\n" for r in self.recordings
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


@dataclass(frozen=True)
class Census:
    """Counts of a data set, by official part; cycles are counted in the order of the task's labels.

    `read` says in a line each which folders and files were read.
    """

    task: Task
    published: Published | None
    cycles: Mapping[str, tuple[int, ...]]
    recordings: Mapping[str, int]
    patients: Mapping[str, int]
    devices: Mapping[str, Mapping[str, int]]
    read: tuple[str, ...] = ()


def census(data: DataSet) -> Census:
    """Count recordings, patients, devices and cycles per class in each part of `data`."""
    parts = {part: data.part(part) for part in data.parts}
    labels = {part: Counter(cycle.label for r in held for cycle in r.cycles) for part, held in parts.items()}
    return Census(
        task=data.task,
        published=data.published,
        cycles={part: tuple(labels[part][label] for label in range(data.task.num_classes)) for part in parts},
        recordings={part: len(held) for part, held in parts.items()},
        patients={part: len({r.patient for r in held}) for part, held in parts.items()},
        devices={part: dict(Counter(r.device for r in held).most_common()) for part, held in parts.items()},
        read=data.read,
    )


def missing_from_full(counted: Census) -> tuple[str, ...]:
    """Say what a data set lacks of its published database; empty for the full database, and for one of its own.

    A line for each official part that differs from the full one: what is here, of how much.
    """
    full, lines = counted.published, []
    if full is None:
        return ()
    for part, cycles in full.cycles.items():
        here = counted.cycles[part]
        if here != cycles or counted.recordings[part] != full.recordings[part]:
            classes = ", ".join(
                f"{label} {n} of {m}" for label, n, m in zip(counted.task.labels, here, cycles, strict=True)
            )
            lines.append(
                f"{part}: {counted.recordings[part]} of {full.recordings[part]} recordings, "
                f"{sum(here)} of {sum(cycles)} cycles ({classes})"
            )
    return tuple(lines)
