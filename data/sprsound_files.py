"""Where the files of SPRSound's recordings lie, in both layouts in which it is published, and what their names say.

The folders are `train_wav`, `train_json`, `test_wav` and `test_json`, or `train2022_wav` and so on, each of which may
lie in a folder of its own name; in the last one `inter_test_json` and `intra_test_json` say which test a recording
belongs to. Recordings are WAV or FLAC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.audio_file import AUDIO_SUFFIXES
from data.errors import DataError

SPRSOUND_PARTS = ("train", "inter", "intra")
INNER_FOLDER = "BioCAS2022"


@dataclass(frozen=True)
class RecordingFiles:
    """The audio and the annotation of a recording, its official part, and the fields of its name."""

    audio: Path
    annotation: Path
    part: str
    patient: int
    age_years: float
    sex: str
    site: str


def is_sprsound(directory: Path) -> bool:
    """Tell whether a folder is laid out as SPRSound."""
    return bool(_layouts(Path(directory)))


def find_recordings(directory: Path) -> list[RecordingFiles]:
    """Find the files of every recording in `directory`, sorted by name; none is opened.

    Raises DataError, in one line with the file, for: a folder without recordings; folders of both layouts; a recording
    beside those folders; a name that is not PATIENT_AGE_SEX_SITE_NUMBER; audio without annotation and the reverse; a
    recording twice, or in two parts.
    """
    layout = _only_layout(directory)
    _check_nothing_lies_beside(layout, directory)
    found = _paired(layout)
    if not found:
        raise DataError(f"{directory}: no recordings; expected .wav or .flac files, with a .json each")
    return found


def age_in_name(stem: str) -> float | None:
    """Read the age in years out of a recording's name without suffix; None for a name that is none of SPRSound's."""
    fields = _NAME.fullmatch(stem)
    return None if fields is None else float(fields[2])


@dataclass(frozen=True)
class _Layout:
    """Folders with the audio and the annotations of each part; `first` is one of them that is there."""

    first: Path
    audio: Mapping[str, Path]
    annotations: Mapping[str, Path]


def _layouts(directory: Path) -> list[_Layout]:
    """Every layout of which a folder is there."""
    found = []
    for folder in (directory, directory / INNER_FOLDER):
        for year in ("", "2022"):
            train, test = (_unwrapped(folder / f"{part}{year}_json") for part in ("train", "test"))
            train_audio, test_audio = (_unwrapped(folder / f"{part}{year}_wav") for part in ("train", "test"))
            present = [path for path in (train, test, train_audio, test_audio) if path.is_dir()]
            if present:
                found.append(
                    _Layout(
                        first=present[0],
                        audio={"train": train_audio, "inter": test_audio, "intra": test_audio},
                        annotations={
                            "train": train,
                            "inter": test / "inter_test_json",
                            "intra": test / "intra_test_json",
                        },
                    )
                )
    return found


def _unwrapped(folder: Path) -> Path:
    """The folder of the same name in a folder, into which an archive was unpacked; `folder` where there is none."""
    inner = folder / folder.name
    return inner if inner.is_dir() else folder


def _only_layout(directory: Path) -> _Layout:
    layouts = _layouts(directory)
    if not layouts:
        raise DataError(
            f"{directory}: not SPRSound; expected folders train_wav, train_json, test_wav and test_json"
        )
    if len(layouts) > 1:
        names = " and ".join(str(layout.first.relative_to(directory)) for layout in layouts)
        raise DataError(
            f"{directory}: {names} are folders of different layouts, of which one alone would be read; expected all "
            "four folders side by side, all named with 2022 or all without"
        )
    return layouts[0]


def _check_nothing_lies_beside(layout: _Layout, directory: Path) -> None:
    beside = [
        path
        for folder in dict.fromkeys((directory, layout.first.parent))
        for path in _files(folder, AUDIO_SUFFIXES)
    ]
    if beside:
        more = f" (and {len(beside) - 1} more like it)" if len(beside) > 1 else ""
        raise DataError(
            f"{beside[0]}: a recording beside {layout.first.name}, where it would not be read; expected recordings in "
            f"{layout.audio['train'].name} and {layout.audio['inter'].name} alone{more}"
        )


def _paired(layout: _Layout) -> list[RecordingFiles]:
    """Join the audio and the annotation of every recording, sorted by name."""
    audio = {
        folder: _by_name(_files(folder, AUDIO_SUFFIXES)) for folder in dict.fromkeys(layout.audio.values())
    }
    pairs: dict[str, RecordingFiles] = {}
    lonely = []
    for part in SPRSOUND_PARTS:
        for name, annotation in _by_name(_files(layout.annotations[part], (".json",))).items():
            if name in pairs:
                raise DataError(
                    f"{annotation}: the recording is in {part}, but {pairs[name].annotation} has it in "
                    f"{pairs[name].part}; expected one part each"
                )
            path = audio[layout.audio[part]].get(name)
            if path is None:
                lonely.append(
                    f"{annotation}: an annotation without its recording; expected {name}.wav or .flac in "
                    f"{layout.audio[part]}"
                )
            else:
                pairs[name] = _recording_files(path, annotation, part)
    for folder, files in audio.items():
        wanted = [str(layout.annotations[part]) for part in SPRSOUND_PARTS if layout.audio[part] == folder]
        lonely += [
            f"{path}: no annotation; expected {name}.json in {' or '.join(wanted)}"
            for name, path in files.items()
            if name not in pairs or pairs[name].audio != path
        ]
    if lonely:
        raise DataError(lonely[0] + (f" (and {len(lonely) - 1} more like it)" if len(lonely) > 1 else ""))
    return [pairs[name] for name in sorted(pairs)]


def _files(folder: Path, suffixes: Sequence[str]) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")
    )


def _by_name(paths: Iterable[Path]) -> dict[str, Path]:
    named: dict[str, Path] = {}
    for path in paths:
        other = named.setdefault(path.stem, path)
        if other is not path:
            raise DataError(f"{path}: the same recording as {other.name}; expected one file")
    return named


_NAME = re.compile(r"(\d+)_(\d+(?:\.\d+)?)_([01])_(p[1-4])_\d+", re.ASCII)


def _recording_files(audio: Path, annotation: Path, part: str) -> RecordingFiles:
    fields = _NAME.fullmatch(audio.stem)
    if fields is None:
        raise DataError(
            f"{audio}: the name is none of SPRSound's; expected PATIENT_AGE_SEX_SITE_NUMBER with sex 0 or 1 and site "
            "p1 to p4, as 65098526_2.4_0_p1_2320"
        )
    patient, age, sex, site = fields.groups()
    return RecordingFiles(audio, annotation, part, int(patient), float(age), "MF"[int(sex)], site)
