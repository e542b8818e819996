"""Read SPRSound, breaths of children, in both layouts in which it is published; refuse what is broken.

The folders are `train_wav`, `train_json`, `test_wav` and `test_json`, or `train2022_wav` and so on; in the last one
`inter_test_json` and `intra_test_json` say which test a recording belongs to. Recordings are WAV or FLAC.

Reference: Zhang et al., "SPRSound: Open-Source SJTU Paediatric Respiratory Sound Database", IEEE TBioCAS 16(5), 2022.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from data.annotations import Cycle
from data.audio_file import AUDIO_SUFFIXES, recording_length
from data.dataset import DataSet, Published, Recording
from data.errors import DataError
from data.patients import Patient
from data.sprsound_annotations import EVENTS, LABELS_OF, RECORDS, read_sprsound_annotation
from data.task import Task

PARTS = ("train", "inter", "intra")
DEVICE = "Yunting II"
INNER_FOLDER = "BioCAS2022"
EVENTS_PUBLISHED = {
    "train": (5159, 39, 452, 15, 49, 912, 30),
    "inter": (1040, 0, 305, 0, 3, 80, 1),
    "intra": (688, 14, 108, 2, 14, 175, 3),
}
"""Events of each type, in the order of `EVENTS`, as the BioCAS 2022 challenge released them."""
RECORDS_PUBLISHED = {
    "train": (1303, 126, 248, 95, 177),
    "inter": (241, 65, 24, 17, 8),
    "intra": (241, 42, 75, 19, 2),
}
"""Recordings of each class, in the order of `RECORDS`."""


@dataclass(frozen=True)
class _Layout:
    """Folders with the audio and the annotations of each part; `first` is one of them that is there."""

    first: Path
    audio: Mapping[str, Path]
    annotations: Mapping[str, Path]


def read_sprsound(directory: Path, task: Task) -> DataSet:
    """Read and check every recording of `directory` for one of SPRSound's tasks; audio is not decoded yet.

    For a task on events a recording of poor quality, which has none, is left out; for a task on whole recordings each
    is one cycle. Nobody is kept out of validation: patients of the intra test have other recordings in training by
    design, and a network is meant to know them there.

    Warns of a subset. Raises DataError, in one line with the file, for: a folder without recordings; folders of both
    layouts; a recording beside those folders; a name that is not PATIENT_AGE_SEX_SITE_NUMBER; audio without annotation
    and the reverse; a recording twice, or in two parts; a patient of the inter test who is in training; a broken audio
    file or annotation, whatever the task needs of it.
    """
    directory = Path(directory)
    layout = _only_layout(directory)
    _check_nothing_lies_beside(layout, directory)
    paired = _paired(layout)
    if not paired:
        raise DataError(f"{directory}: no recordings; expected .wav or .flac files, with a .json each")
    _check_patients(paired)
    recordings = [_recording(pair, task) for pair in paired]
    total = sum(map(sum, RECORDS_PUBLISHED.values()))
    if len(paired) < total:
        warnings.warn(
            f"{directory}: a subset: {len(paired)} of the {total} recordings of SPRSound 2022", stacklevel=2
        )
    return DataSet(
        directory=directory,
        task=task,
        parts=PARTS,
        recordings=tuple(recording for recording in recordings if recording.cycles),
        patients=_patients(paired),
        never_validate=frozenset(),
        published=_published(task),
    )


def is_sprsound(directory: Path) -> bool:
    """Tell whether a folder is laid out as SPRSound."""
    return bool(_layouts(Path(directory)))


@dataclass(frozen=True)
class _Pair:
    """A recording's files, its part, and the fields of its name."""

    audio: Path
    annotation: Path
    part: str
    patient: int
    age_years: float
    sex: str
    site: str


def _layouts(directory: Path) -> list[_Layout]:
    """Every layout of which a folder is there."""
    found = []
    for folder in (directory, directory / INNER_FOLDER):
        for year in ("", "2022"):
            train, test = (folder / f"{part}{year}_json" for part in ("train", "test"))
            train_audio, test_audio = (folder / f"{part}{year}_wav" for part in ("train", "test"))
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


def _paired(layout: _Layout) -> list[_Pair]:
    """Join the audio and the annotation of every recording, sorted by name."""
    audio = {
        folder: _by_name(_files(folder, AUDIO_SUFFIXES)) for folder in dict.fromkeys(layout.audio.values())
    }
    pairs: dict[str, _Pair] = {}
    lonely = []
    for part in PARTS:
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
                pairs[name] = _pair(path, annotation, part)
    for folder, files in audio.items():
        wanted = [str(layout.annotations[part]) for part in PARTS if layout.audio[part] == folder]
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


def _pair(audio: Path, annotation: Path, part: str) -> _Pair:
    fields = _NAME.fullmatch(audio.stem)
    if fields is None:
        raise DataError(
            f"{audio}: the name is none of SPRSound's; expected PATIENT_AGE_SEX_SITE_NUMBER with sex 0 or 1 and site "
            "p1 to p4, as 65098526_2.4_0_p1_2320"
        )
    patient, age, sex, site = fields.groups()
    return _Pair(audio, annotation, part, int(patient), float(age), "MF"[int(sex)], site)


def _check_patients(paired: Iterable[_Pair]) -> None:
    trained = {pair.patient: pair for pair in reversed(list(paired)) if pair.part == "train"}
    sexes: dict[int, _Pair] = {}
    for pair in paired:
        if pair.part == "inter" and pair.patient in trained:
            raise DataError(
                f"{pair.annotation}: patient {pair.patient} of the inter test is in training as well "
                f"({trained[pair.patient].annotation}); expected patients that training lacks"
            )
        first = sexes.setdefault(pair.patient, pair)
        if first.sex != pair.sex:
            raise DataError(
                f"{pair.audio}: patient {pair.patient} has another sex than in {first.audio.name}; expected one number "
                "a patient"
            )


def _patients(paired: Iterable[_Pair]) -> dict[int, Patient]:
    """What the names say of each patient; the age is that at the first recording."""
    ages = defaultdict(list)
    for pair in paired:
        ages[pair.patient, pair.sex].append(pair.age_years)
    return {patient: Patient(age_years=min(years), sex=sex) for (patient, sex), years in ages.items()}


def _recording(pair: _Pair, task: Task) -> Recording:
    sample_rate, frames = recording_length(pair.audio)
    duration_s = frames / sample_rate
    record, events = read_sprsound_annotation(pair.annotation, duration_s)
    label_of = LABELS_OF[task.name]
    if task.whole_recordings:
        cycles = (Cycle(0.0, duration_s, label_of[record]),)
    else:
        cycles = tuple(Cycle(event.start_s, event.end_s, label_of[event.type]) for event in events)
    return Recording(
        name=pair.audio.stem,
        path=pair.audio,
        annotation=pair.annotation,
        patient=pair.patient,
        location=pair.site,
        mode="sc",
        device=DEVICE,
        part=pair.part,
        sample_rate=sample_rate,
        frames=frames,
        cycles=cycles,
    )


def _published(task: Task) -> Published:
    """Counts of the whole release as `task` sees it."""
    names, counts = (RECORDS, RECORDS_PUBLISHED) if task.whole_recordings else (EVENTS, EVENTS_PUBLISHED)
    label_of = LABELS_OF[task.name]
    cycles = {
        part: tuple(
            sum(count for name, count in zip(names, counts[part], strict=True) if label_of[name] == label)
            for label in range(task.num_classes)
        )
        for part in PARTS
    }
    # Recordings of poor quality, the last class, have no events.
    heard = RECORDS if task.whole_recordings else RECORDS[:-1]
    recordings = {part: sum(RECORDS_PUBLISHED[part][: len(heard)]) for part in PARTS}
    return Published("SPRSound 2022", recordings, cycles)
