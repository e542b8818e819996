"""Where the files of ICBHI's recordings lie, in the layouts that people have, and what their names say.

Recordings, WAV or FLAC with an annotation `.txt` each, lie in one folder: the given one, or the only one with
recordings at most `DEPTH` folders below it. So the database itself is read (`audio_and_txt_files`, or
`ICBHI_final_database`), Kaggle's archive, which nests it, and the layout of the code of RespireNet and Patch-Mix
(`audio_test_data`, `audio_text_data`). The split and the patient files lie beside the recordings or in a folder above.
Names of files and folders may be in any case.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from data.any_case import entries, file_named
from data.audio_file import AUDIO_SUFFIXES
from data.errors import DataError
from data.sprsound_files import is_sprsound

SPLITS = ("official_split.txt", "ICBHI_challenge_train_test.txt")
INNER_FOLDERS = ("audio_and_txt_files", "ICBHI_final_database", "audio_test_data", "audio_text_data")
WRAPPERS = (*INNER_FOLDERS, "Respiratory_Sound_Database")
"""Folders that the layouts put around recordings: given one of these, the split may lie in the folder above."""
DEPTH = 4
"""Folders below the given one, one in the other, in which recordings are looked for."""
MOST_FOLDERS = 1000
"""Folders that are looked into: a home directory, given by mistake, has many more."""

NAME = re.compile(r"[0-9]{1,9}(_[^_]+){4}")
"""A recording's name: PATIENT_INDEX_LOCATION_MODE_DEVICE."""


def stem_of(name: str) -> str:
    """The first four fields of a recording's name, which tell it from all others; the case of letters is dropped."""
    return "_".join(name.split("_")[:4]).casefold()


def icbhi_audio_folder(directory: Path) -> Path:
    """Find where ICBHI's recordings lie: in `directory`, or in the only folder below it that holds some.

    Raises DataError when there are none, when several folders hold some, and when what lies below is SPRSound.
    """
    folder = folder_of_recordings(directory)
    if folder != directory and is_sprsound(folder):
        raise DataError(f"{directory}: found SPRSound in {folder}; give that folder")
    return folder


def folder_of_recordings(directory: Path) -> Path:
    """Find the folder that holds recordings, in whatever layout: `directory`, or the only such folder below it.

    Of SPRSound this is the folder around those of its parts. Raises DataError when there is none, or several.
    """
    if not directory.is_dir():
        found = "a file" if directory.exists() else "nothing"
        raise DataError(f"{directory}: found {found} there; expected a folder with recordings")
    try:
        next(directory.iterdir(), None)
    except OSError as error:
        raise DataError(
            f"{directory}: cannot be read: {error.strerror or error}; expected a folder with recordings"
        ) from error
    folders = list(islice(_with_recordings(directory), 4))
    if not folders:
        raise DataError(
            f"{directory}: no recordings; expected .wav or .flac files, with a .txt each, or {INNER_FOLDERS[0]}/"
        )
    if len(folders) > 1:
        more = ", and more" if len(folders) > 3 else ""
        raise DataError(
            f"{directory}: recordings in several folders, {', '.join(map(str, folders[:3]))}{more}; give the one that "
            "is meant"
        )
    return folders[0]


def folders_around(directory: Path, audio_folder: Path) -> list[Path]:
    """List where the split and the patient files may lie, the nearest first: from the recordings up to `directory`.

    Where `directory` is itself a folder that a layout puts around recordings, the folders above are listed too.
    """
    folders = [audio_folder]
    while folders[-1] != directory:
        folders.append(folders[-1].parent)
    # Of a linked folder, what lies beside the link and what lies beside the folder.
    for above in (directory.absolute(), directory.resolve()):
        while above.name.casefold() in map(str.casefold, WRAPPERS):
            above = above.parent
            folders.append(above)
    return list(dict.fromkeys(folders))


def paired_audio(folder: Path) -> dict[Path, Path]:
    """Find the annotation of every recording in `folder`; sorted by the recordings' names, nothing is opened.

    Raises DataError, in one line with the file, for a name that is no recording's, a recording twice, audio without
    annotation, and the reverse.
    """
    lying = entries(folder)
    audio = sorted((path for path in lying if _is_audio(path)), key=lambda path: path.stem)
    first: dict[str, Path] = {}
    for path in audio:
        if not NAME.fullmatch(path.stem):
            raise DataError(
                f"{path}: a name that says too little; expected PATIENT_INDEX_LOCATION_MODE_DEVICE"
            )
        other = first.setdefault(stem_of(path.stem), path)
        if other is not path:
            raise DataError(
                f"{path}: the same recording as {other.name} by its first four name fields; expected one file"
            )
    annotations = _annotations(lying)
    without = [path for path in audio if path.stem.casefold() not in annotations]
    if without:
        raise DataError(
            f"{without[0]}: no annotation; expected {without[0].stem}.txt beside it{more_like_it(without)}"
        )
    held = {path.stem.casefold() for path in audio}
    orphans = [path for name, path in annotations.items() if name not in held]
    if orphans:
        raise DataError(
            f"{orphans[0]}: an annotation without its recording; expected {orphans[0].stem}.wav or .flac "
            f"beside it{more_like_it(orphans)}"
        )
    return {path: annotations[path.stem.casefold()] for path in audio}


def split_file(directory: Path, folders: Sequence[Path]) -> Path:
    """Find the official split in one of `folders`. Raises DataError when there is none."""
    path = file_named(folders, SPLITS)
    if path is None:
        raise DataError(
            f"{directory}: no split file; put {SPLITS[0]} or {SPLITS[1]} of the ICBHI 2017 database "
            f"into {' or '.join(map(str, folders))}, or your own, with a line NAME<TAB>train or NAME<TAB>test for each "
            "recording"
        )
    return path


def more_like_it(problems: Sequence[Path]) -> str:
    """Say how many files have a problem beside the first, which is named."""
    return f" (and {len(problems) - 1} more like it)" if len(problems) > 1 else ""


def _is_audio(path: Path) -> bool:
    return path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()


def _with_recordings(directory: Path) -> Iterator[Path]:
    """Yield folders with recordings, `directory` first, then those below it; what lies below these is theirs."""
    level, looked_into = [directory], 0
    seen: set[Path] = set()
    for _ in range(DEPTH + 1):
        below: list[Path] = []
        for folder in level:
            # A link may lead to a folder that was seen, or round in a circle.
            if looked_into == MOST_FOLDERS or folder.resolve() in seen:
                continue
            seen.add(folder.resolve())
            looked_into += 1
            lying = entries(folder)
            if any(map(_is_audio, lying)) or is_sprsound(folder):
                yield folder
            else:
                below += [path for path in lying if path.is_dir() and path.name != "__MACOSX"]
        level = below


def _annotations(lying: Sequence[Path]) -> dict[str, Path]:
    """The annotations in a folder, by name in lower case. Splits, patient files and notes are text too."""
    found: dict[str, Path] = {}
    for path in lying:
        if path.suffix.lower() == ".txt" and NAME.fullmatch(path.stem):
            other = found.setdefault(path.stem.casefold(), path)
            if other is not path:
                raise DataError(f"{path}: the same name as {other.name}; expected one annotation")
    return found
