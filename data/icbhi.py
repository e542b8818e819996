"""Read recordings in the layout of the ICBHI 2017 respiratory sound database; refuse what is broken.

Where the files lie: `data.icbhi_files`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path

from data.audio_file import recording_length
from data.dataset import DataSet, Published, Recording, census, missing_from_full
from data.doubles import warn_of_doubles
from data.errors import DataError
from data.icbhi_annotations import ICBHI_PARTS, Part, read_annotation, read_split
from data.icbhi_files import (
    NAME,
    folders_around,
    icbhi_audio_folder,
    more_like_it,
    paired_audio,
    split_file,
    stem_of,
)
from data.patients import patient_files, read_patients
from data.task import ICBHI

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
    audio under two patients, and of cycles that are annotated twice; and says where the files are from when they
    were found deeper below `directory` than the database's own folders. Raises DataError, in one line with the
    file, for: a folder that is missing, empty, or without a split; recordings in several folders; audio without
    annotation and the reverse; a broken audio file or annotation; a recording that the split does not name; all
    920 ICBHI recordings with other than its 6898 cycles.
    """
    directory = Path(directory)
    folder = icbhi_audio_folder(directory)
    folders = folders_around(directory, folder)
    audio = paired_audio(folder)
    split_path = split_file(directory, folders)
    split = read_split(split_path)
    named = _join(list(audio), split, split_path)
    recordings = tuple(_recording(path, audio[path], listed, split[listed]) for path, listed in named.items())
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
        read=(
            f"recordings: {folder}",
            f"split: {split_path}",
            *(f"patients: {path}" for path in patient_files(folders)),
        ),
    )
    _check_whole(data)
    warn_of_doubles(recordings)
    if folder.parent != directory and folder != directory:
        warnings.warn(
            f"{directory}: recordings are read from {folder}, the split from {split_path}", stacklevel=2
        )
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


def _patient(name: str) -> int:
    return int(name.split("_")[0])


def _join(audio: list[Path], split: Mapping[str, Part], split_path: Path) -> dict[Path, str]:
    """Find the name under which the split lists each audio file."""
    by_stem: dict[str, str] = {}
    for name in split:
        if not NAME.fullmatch(name):
            raise DataError(
                f"{split_path}: names {name!r}; expected names like PATIENT_INDEX_LOCATION_MODE_DEVICE"
            )
        if by_stem.setdefault(stem_of(name), name) != name:
            raise DataError(
                f"{split_path}: {by_stem[stem_of(name)]} and {name} share their first four name fields; "
                "expected each recording once"
            )
    named = {path: by_stem.get(stem_of(path.stem)) for path in audio}
    unnamed = [path for path, name in named.items() if name is None]
    if len(unnamed) == len(audio):
        raise DataError(
            f"{split_path}: names none of the {len(audio)} recordings in {audio[0].parent}; "
            f"expected lines like {audio[0].stem}<TAB>train"
        )
    if unnamed:
        raise DataError(
            f"{unnamed[0]}: not named in {split_path}; expected a line {unnamed[0].stem}<TAB>train or "
            f"{unnamed[0].stem}<TAB>test there, or the file elsewhere{more_like_it(unnamed)}"
        )
    return {path: name for path, name in named.items() if name is not None}


def _recording(path: Path, annotation: Path, listed: str, part: Part) -> Recording:
    sample_rate, frames = recording_length(path)
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
