"""Read recordings in the layout of the ICBHI 2017 respiratory sound database; refuse what is broken.

Two layouts are read, as people have them: one flat folder, or a folder with `audio_and_txt_files` inside; the
split and the patient files lie in that folder or beside it. Recordings are WAV or FLAC, each with its
annotation `.txt`.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

from data.audio_file import AUDIO_SUFFIXES, recording_length
from data.dataset import DataSet, Published, Recording, census, missing_from_full
from data.doubles import warn_of_doubles
from data.errors import DataError
from data.icbhi_annotations import ICBHI_PARTS, Part, annotation_path, read_annotation, read_split
from data.patients import read_patients
from data.task import ICBHI

SPLITS = ("official_split.txt", "ICBHI_challenge_train_test.txt")
INNER_FOLDERS = ("audio_and_txt_files", "ICBHI_final_database")
FULL = Published(
    name="ICBHI 2017",
    recordings={"train": 539, "test": 381},
    cycles={"train": (2063, 1215, 501, 363), "test": (1579, 649, 385, 143)},
)
PATIENTS = range(101, 227)
"""Numbers of ICBHI's patients. Recordings of other patients alone are another data set in the same layout."""
NEVER_VALIDATE = frozenset({156, 218})
"""ICBHI patients in both official parts: to validate on them is to tune on near-copies of the test."""


def read_icbhi(directory: Path) -> DataSet:
    """Read and check every recording of `directory` for the task `icbhi`; audio is not decoded yet.

    Files are joined to the split by name, or else by the first four name fields: 91 names carry another
    device in some releases. Warns of a subset (recordings that the split names but the folder lacks) and of
    patients whom the split has in both parts: they never validate, as 156 and 218 of ICBHI never do; of equal
    audio under two patients, and of cycles that are annotated twice. Raises
    DataError, in one line with the file, for: a folder that is missing, empty, or without a split; audio
    without annotation and the reverse; a broken audio file or annotation; a recording that the split does not
    name; all 920 ICBHI recordings with other than its 6898 cycles.
    """
    directory = Path(directory)
    folder = icbhi_audio_folder(directory)
    folders = list(dict.fromkeys([folder, directory, folder.parent] if _is_inner(folder) else [folder]))
    audio = _paired_audio(folder)
    split_path = _split_file(directory, folders)
    split = read_split(split_path)
    named = _join(audio, split, split_path)
    recordings = tuple(_recording(path, listed, split[listed]) for path, listed in named.items())
    in_part = {
        part: {_patient(name) for name, listed in split.items() if listed == part} for part in ICBHI_PARTS
    }
    in_both = frozenset(in_part["train"] & in_part["test"])
    data = DataSet(
        directory=directory,
        task=ICBHI,
        parts=ICBHI_PARTS,
        recordings=recordings,
        patients=read_patients(folders),
        never_validate=NEVER_VALIDATE | in_both,
        published=FULL if any(recording.patient in PATIENTS for recording in recordings) else None,
    )
    _check_whole(data)
    warn_of_doubles(recordings)
    if len(recordings) < len(split):
        warnings.warn(
            f"{directory}: a subset: {len(recordings)} of the {len(split)} recordings in {split_path.name}",
            stacklevel=2,
        )
    if in_both:
        shared = ", ".join(map(str, sorted(in_both)))
        warnings.warn(
            f"{split_path}: patients {shared} are in both train and test; they never validate", stacklevel=2
        )
    return data


def icbhi_audio_folder(directory: Path) -> Path:
    """Find where the recordings lie: in `directory` or a folder in it. Raises DataError when there are none."""
    if not directory.is_dir():
        found = "a file" if directory.exists() else "nothing"
        raise DataError(f"{directory}: found {found} there; expected a folder with recordings")
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
    without = [path for path in audio if not annotation_path(path).is_file()]
    if without:
        raise DataError(
            f"{without[0]}: no annotation; expected {annotation_path(without[0]).name} beside it{_more(without)}"
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
    """Find the name under which the split lists each audio file."""
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
    annotation = annotation_path(path)
    _, _, location, mode, device = listed.split("_")
    return Recording(
        name=path.stem,
        path=path,
        annotation=annotation,
        patient=_patient(listed),
        location=location,
        mode=mode,
        device=device,
        part=part,
        sample_rate=sample_rate,
        frames=frames,
        cycles=read_annotation(annotation, frames / sample_rate),
    )


def _check_whole(data: DataSet) -> None:
    missing = missing_from_full(census(data))
    icbhi_patients = all(recording.patient in PATIENTS for recording in data.recordings)
    if len(data.recordings) == sum(FULL.recordings.values()) and icbhi_patients and missing:
        raise DataError(
            f"{data.directory}: all 920 ICBHI recordings, but not their 6898 cycles: "
            f"{'; '.join(missing)}; expected the original annotations and split"
        )


def _more(problems: list[Path]) -> str:
    return f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""
