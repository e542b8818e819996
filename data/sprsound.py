"""SPRSound, breaths of children, as a data set for one of its tasks; what is broken is refused.

Reference: Zhang et al., "SPRSound: Open-Source SJTU Paediatric Respiratory Sound Database", IEEE TBioCAS 16(5), 2022.
"""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from data.audio_file import recording_length
from data.cycle import Cycle
from data.dataset import DataSet, Published, Recording
from data.doubles import warn_of_doubles
from data.errors import DataError
from data.patients import Patient
from data.sprsound_annotations import EVENTS, LABELS_OF, RECORDS, read_sprsound_annotation
from data.sprsound_files import SPRSOUND_PARTS, RecordingFiles, find_recordings
from data.task import Task

DEVICE = "Yunting II"
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


def read_sprsound(directory: Path, task: Task) -> DataSet:
    """Read and check every recording of `directory` for one of SPRSound's tasks; audio is not decoded yet.

    For a task on events a recording of poor quality, which has none, is left out; for a task on whole recordings each
    is one cycle. Nobody is kept out of validation: patients of the intra test have other recordings in training by
    design, and a network is meant to know them there.

    Warns of a subset, and of equal audio under two patients. Raises DataError, in one line with the file, for: files
    in other places or under other names than SPRSound's (`data.sprsound_files.find_recordings`); a patient of the
    inter test who is in training; one number for patients of two sexes; a broken audio file or annotation, whatever
    the task needs of it.
    """
    directory = Path(directory)
    found = find_recordings(directory)
    _check_patients(found)
    recordings = [_recording(files, task) for files in found]
    warn_of_doubles(recordings)
    total = sum(map(sum, RECORDS_PUBLISHED.values()))
    if len(found) < total:
        warnings.warn(
            f"{directory}: a subset: {len(found)} of the {total} recordings of SPRSound 2022", stacklevel=2
        )
    return DataSet(
        directory=directory,
        task=task,
        parts=SPRSOUND_PARTS,
        recordings=tuple(recording for recording in recordings if recording.cycles),
        patients=_patients(found),
        never_validate=frozenset(),
        published=_published(task),
        read=(
            *(f"recordings: {folder}" for folder in dict.fromkeys(files.audio.parent for files in found)),
            *(
                f"annotations: {folder}"
                for folder in dict.fromkeys(files.annotation.parent for files in found)
            ),
        ),
    )


def _check_patients(found: Iterable[RecordingFiles]) -> None:
    trained = {files.patient: files for files in reversed(list(found)) if files.part == "train"}
    sexes: dict[int, RecordingFiles] = {}
    for files in found:
        if files.part == "inter" and files.patient in trained:
            raise DataError(
                f"{files.annotation}: patient {files.patient} of the inter test is in training as well "
                f"({trained[files.patient].annotation}); expected patients that training lacks"
            )
        first = sexes.setdefault(files.patient, files)
        if first.sex != files.sex:
            raise DataError(
                f"{files.audio}: patient {files.patient} has another sex than in {first.audio.name}; expected one "
                "number a patient"
            )


def _patients(found: Iterable[RecordingFiles]) -> dict[int, Patient]:
    """What the names say of each patient; the age is that at the first recording."""
    ages = defaultdict(list)
    for files in found:
        ages[files.patient, files.sex].append(files.age_years)
    return {patient: Patient(age_years=min(years), sex=sex) for (patient, sex), years in ages.items()}


def _recording(files: RecordingFiles, task: Task) -> Recording:
    sample_rate, frames = recording_length(files.audio)
    duration_s = frames / sample_rate
    record, events = read_sprsound_annotation(files.annotation, duration_s)
    label_of = LABELS_OF[task.name]
    if task.whole_recordings:
        cycles = (Cycle(0.0, duration_s, label_of[record]),)
    else:
        cycles = tuple(Cycle(event.start_s, event.end_s, label_of[event.type]) for event in events)
    return Recording(
        name=files.audio.stem,
        path=files.audio,
        annotation=files.annotation,
        patient=files.patient,
        location=files.site,
        mode="sc",
        device=DEVICE,
        part=files.part,
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
        for part in SPRSOUND_PARTS
    }
    # Recordings of poor quality, the last class, have no events.
    heard = RECORDS if task.whole_recordings else RECORDS[:-1]
    recordings = {part: sum(RECORDS_PUBLISHED[part][: len(heard)]) for part in SPRSOUND_PARTS}
    return Published("SPRSound 2022", recordings, cycles)
