"""Recordings in the layout of the ICBHI 2017 respiratory sound database; what is broken is refused here.

Two layouts are read, as people have them: one flat folder, or a folder with `audio_and_txt_files` inside; the
split and the patient files lie in that folder or beside it. Recordings are WAV or FLAC, each with its
annotation `.txt`.
"""

from __future__ import annotations

import hashlib
import re
import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from data.annotations import LABELS, Cycle, Part, read_annotation, read_split
from data.audio_file import AUDIO_SUFFIXES, recording_length
from data.digests import file_digests
from data.errors import DataError
from data.patients import Patient, read_patients

__all__ = [
    "LABELS",
    "Census",
    "Cycle",
    "DataSet",
    "Part",
    "Recording",
    "census",
    "read_annotation",
    "read_icbhi",
    "read_split",
]

SPLITS = ("official_split.txt", "ICBHI_challenge_train_test.txt")
INNER_FOLDERS = ("audio_and_txt_files", "ICBHI_final_database")
FULL_RECORDINGS: dict[Part, int] = {"train": 539, "test": 381}
FULL_CYCLES: dict[Part, tuple[int, ...]] = {"train": (2063, 1215, 501, 363), "test": (1579, 649, 385, 143)}


@dataclass(frozen=True)
class Recording:
    """One audio file and its breaths. `device` is the split's word where the file's name says otherwise."""

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
    """All recordings of a folder, sorted by name, with their split and what is known of patients."""

    directory: Path
    recordings: tuple[Recording, ...]
    split: Mapping[str, Part]
    patients: Mapping[int, Patient]

    def part(self, part: Part) -> tuple[Recording, ...]:
        """The recordings of the official training or test part."""
        return tuple(recording for recording in self.recordings if recording.part == part)

    @property
    def patients_in_both_parts(self) -> frozenset[int]:
        """Patients whom the whole split, also where audio is absent, has in both parts; ICBHI: 156, 218."""
        sides = {
            part: {_patient(name) for name, side in self.split.items() if side == part}
            for part in FULL_CYCLES
        }
        return frozenset(sides["train"] & sides["test"])

    def content_hash(self, cache: Path | None = None) -> str:
        """SHA-256 over names, devices, parts and the bytes of audio and annotations, wherever the files lie.

        With a `cache` folder the digests of unchanged files are remembered there.
        """
        paths = [
            path for recording in self.recordings for path in (recording.path, _annotation(recording.path))
        ]
        digests = iter(file_digests(paths, cache))
        lines = [
            f"{r.name}\t{r.device}\t{r.part}\t{next(digests)}\t{next(digests)}\n" for r in self.recordings
        ]
        return hashlib.sha256("".join(lines).encode()).hexdigest()


def read_icbhi(directory: Path) -> DataSet:
    """Every recording of `directory` with its cycles and its part, checked; audio is not decoded yet.

    Files are joined to the split by name, or else by the first four name fields: 91 names carry another
    device in some releases. Warns of a subset (recordings that the split names but the folder lacks) and of
    patients in both parts. Raises DataError, in one line with the file, for: a folder that is missing, empty,
    or without a split; audio without annotation and the reverse; a broken audio file or annotation; a
    recording that the split does not name; all 920 ICBHI recordings with other than its 6898 cycles.
    """
    directory = Path(directory)
    folder = _audio_folder(directory)
    folders = list(dict.fromkeys([folder, directory, folder.parent] if _is_inner(folder) else [folder]))
    audio = _paired_audio(folder)
    split_path = _split_file(directory, folders)
    split = read_split(split_path)
    named = _join(audio, split, split_path)
    recordings = tuple(_recording(path, listed, split[listed]) for path, listed in named.items())
    data = DataSet(directory, recordings, split, read_patients(folders))
    _check_whole(data)
    if len(recordings) < len(split):
        warnings.warn(
            f"{directory}: a subset: {len(recordings)} of the {len(split)} recordings in {split_path.name}",
            stacklevel=2,
        )
    if data.patients_in_both_parts:
        shared = ", ".join(map(str, sorted(data.patients_in_both_parts)))
        warnings.warn(
            f"{split_path}: patients {shared} are in both train and test; they never validate", stacklevel=2
        )
    return data


@dataclass(frozen=True)
class Census:
    """What a data set holds, by part; cycles are counted in the order of LABELS."""

    cycles: Mapping[Part, tuple[int, ...]]
    recordings: Mapping[Part, int]
    patients: Mapping[Part, int]
    devices: Mapping[Part, Mapping[str, int]]

    @property
    def missing(self) -> tuple[str, ...]:
        """A line for each part that differs from the full database: what is here, of how much."""
        lines = []
        for part, full in FULL_CYCLES.items():
            here = self.cycles[part]
            if here != full or self.recordings[part] != FULL_RECORDINGS[part]:
                classes = ", ".join(
                    f"{label} {n} of {m}" for label, n, m in zip(LABELS, here, full, strict=True)
                )
                lines.append(
                    f"{part}: {self.recordings[part]} of {FULL_RECORDINGS[part]} recordings, "
                    f"{sum(here)} of {sum(full)} cycles ({classes})"
                )
        return tuple(lines)

    @property
    def is_full(self) -> bool:
        """Whether these are the 920 recordings and 6898 cycles of ICBHI 2017."""
        return not self.missing


def census(data: DataSet) -> Census:
    """Counts of recordings, patients, devices and cycles per class, in each part."""
    parts: dict[Part, tuple[Recording, ...]] = {part: data.part(part) for part in FULL_CYCLES}
    labels = {part: Counter(cycle.label for r in held for cycle in r.cycles) for part, held in parts.items()}
    return Census(
        cycles={part: tuple(labels[part][label] for label in range(len(LABELS))) for part in parts},
        recordings={part: len(held) for part, held in parts.items()},
        patients={part: len({r.patient for r in held}) for part, held in parts.items()},
        devices={part: dict(Counter(r.device for r in held).most_common()) for part, held in parts.items()},
    )


def _audio_folder(directory: Path) -> Path:
    if not directory.is_dir():
        found = "a file" if directory.exists() else "nothing"
        raise DataError(f"{directory}: found {found} there; expected a folder with ICBHI recordings")
    for folder in (directory, *(directory / name for name in INNER_FOLDERS)):
        if folder.is_dir() and any(_is_audio(path) for path in folder.iterdir()):
            return folder
    raise DataError(
        f"{directory}: no recordings; expected .wav or .flac files, with a .txt each, or {INNER_FOLDERS[0]}/"
    )


def _is_inner(folder: Path) -> bool:
    return folder.resolve().name in INNER_FOLDERS


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")


def _annotation(audio: Path) -> Path:
    return audio.with_suffix(".txt")


_NAME = re.compile(r"\d+(_[^_]+){4}")


def _patient(name: str) -> int:
    return int(name.split("_")[0])


def _stem(name: str) -> str:
    return "_".join(name.split("_")[:4])


def _paired_audio(folder: Path) -> list[Path]:
    audio = sorted((path for path in folder.iterdir() if _is_audio(path)), key=lambda path: path.stem)
    first: dict[str, Path] = {}
    for path in audio:
        if not _NAME.fullmatch(path.stem):
            raise DataError(
                f"{path}: a name that says too little; expected PATIENT_INDEX_LOCATION_MODE_DEVICE"
            )
        other = first.setdefault(_stem(path.stem), path)
        if other is not path:
            raise DataError(
                f"{path}: the same recording as {other.name} by its first four name fields; expected one file"
            )
    without = [path for path in audio if not _annotation(path).is_file()]
    if without:
        raise DataError(
            f"{without[0]}: no annotation; expected {_annotation(without[0]).name} beside it{_more(without)}"
        )
    held = {path.stem for path in audio}
    # Splits, patient files and notes are text too; only an annotation is named like a recording.
    texts = sorted(folder.glob("*.txt"))
    orphans = [path for path in texts if _NAME.fullmatch(path.stem) and path.stem not in held]
    if orphans:
        raise DataError(
            f"{orphans[0]}: an annotation without its recording; expected {orphans[0].stem}.wav or .flac "
            f"beside it{_more(orphans)}"
        )
    return audio


def _split_file(directory: Path, folders: list[Path]) -> Path:
    for folder in folders:
        for name in SPLITS:
            if (folder / name).is_file():
                return folder / name
    raise DataError(
        f"{directory}: no split file; put {SPLITS[0]} or {SPLITS[1]} of the ICBHI 2017 database "
        "beside the recordings, or your own, with a line NAME<TAB>train or NAME<TAB>test for each"
    )


def _join(audio: list[Path], split: Mapping[str, Part], split_path: Path) -> dict[Path, str]:
    """For each audio file the name that the split has for it."""
    by_stem: dict[str, str] = {}
    for name in split:
        if not _NAME.fullmatch(name):
            raise DataError(
                f"{split_path}: names {name!r}; expected names like PATIENT_INDEX_LOCATION_MODE_DEVICE"
            )
        if by_stem.setdefault(_stem(name), name) != name:
            raise DataError(
                f"{split_path}: {by_stem[_stem(name)]} and {name} share their first four name fields; "
                "expected each recording once"
            )
    named = {path: by_stem.get(_stem(path.stem)) for path in audio}
    unnamed = [path for path, name in named.items() if name is None]
    if len(unnamed) == len(audio):
        raise DataError(
            f"{split_path}: names none of the {len(audio)} recordings in {audio[0].parent}; "
            f"expected lines like {audio[0].stem}<TAB>train"
        )
    if unnamed:
        raise DataError(
            f"{unnamed[0]}: not named in {split_path}; expected a line {unnamed[0].stem}<TAB>train or "
            f"{unnamed[0].stem}<TAB>test there, or the file elsewhere{_more(unnamed)}"
        )
    return {path: name for path, name in named.items() if name is not None}


def _recording(path: Path, listed: str, part: Part) -> Recording:
    sample_rate, frames = recording_length(path)
    cycles = read_annotation(_annotation(path), frames / sample_rate)
    _, _, location, mode, device = listed.split("_")
    return Recording(
        path.stem, path, _patient(listed), location, mode, device, part, sample_rate, frames, cycles
    )


def _check_whole(data: DataSet) -> None:
    counted = census(data)
    icbhi_patients = all(101 <= recording.patient <= 226 for recording in data.recordings)
    if len(data.recordings) == sum(FULL_RECORDINGS.values()) and icbhi_patients and not counted.is_full:
        raise DataError(
            f"{data.directory}: all 920 ICBHI recordings, but not their 6898 cycles: "
            f"{'; '.join(counted.missing)}; expected the original annotations and split"
        )


def _more(problems: list[Path]) -> str:
    return f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
