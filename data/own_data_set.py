"""Read recordings with a reader of the user's own, and refuse what it returns unless it is a data set."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from data.cycle import Cycle, check_times
from data.dataset import DataSet, Recording
from data.errors import DataError, UserError
from data.task import Task

_SHOWN = 5
_KINDS = {"name": str, "path": Path, "annotation": Path, "patient": int, "sample_rate": int, "frames": int}


def read_own(directory: Path, task: Task) -> DataSet:
    """Have the reader of `task` read the recordings in `directory`; sorts them by name, and checks every one.

    Raises DataError, with what is wrong and in which recording, when the folder is not there, the reader fails, or what
    it returns cannot be trained on: nothing in the training part, a name twice, an official part that is not listed, a
    file that is not there, cycles outside their recording or without a label of the task, patients who are in the
    training part and in another one without being listed in `never_validate`.
    """
    assert task.read is not None
    if not directory.is_dir():
        raise DataError(f"{directory}: found nothing there; expected a folder with recordings")
    try:
        data = task.read(directory)
    except UserError:
        raise
    except Exception as error:
        raise DataError(
            f"{directory}: the reader of {task.name} failed: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(data, DataSet):
        raise DataError(
            f"{directory}: the reader of {task.name} returned a {type(data).__name__}; expected a data.dataset.DataSet"
        )
    faults = _type_faults(data)
    if not faults:
        recordings = tuple(sorted(data.recordings, key=lambda recording: recording.name))
        data = replace(data, directory=directory, task=task, recordings=recordings)
        faults = [*_faults(data)]
    if faults:
        more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
        raise DataError(
            f"{directory}: the reader of {task.name} returned no usable data: {'; '.join([*faults[:_SHOWN], *more])}"
        )
    return data


def _type_faults(data: DataSet) -> list[str]:
    """Say what a reader wrote in another form than a recording and its cycles have."""
    found: list[str] = []
    recordings: Iterable[Any] = data.recordings
    for recording in recordings:
        if not isinstance(recording, Recording):
            found.append(
                f"a {type(recording).__name__} among the recordings; expected data.dataset.Recording"
            )
            continue
        for name, kind in _KINDS.items():
            value = getattr(recording, name)
            if not isinstance(value, kind):
                found.append(f"{recording.name}: {name} is {value!r}; expected {kind.__name__}")
        for position, cycle in enumerate(recording.cycles, 1):
            if not _is_cycle(cycle):
                found.append(
                    f"{recording.name}: cycle {position} is {cycle!r}; expected times in seconds and a label"
                )
    return found


def _is_cycle(cycle: Any) -> bool:
    return (
        isinstance(cycle, Cycle)
        and type(cycle.label) is int
        and all(
            isinstance(time, int | float) and math.isfinite(time) for time in (cycle.start_s, cycle.end_s)
        )
    )


def _faults(data: DataSet) -> Iterator[str]:
    if not data.parts:
        yield "no official part; expected at least one, for training, as parts=('train',)"
        return
    if not data.part(data.parts[0]):
        yield f"no recording in the training part, {data.parts[0]}"
    for name, times in Counter(recording.name for recording in data.recordings).items():
        if times > 1:
            yield f"{times} recordings are called {name}"
    for recording in data.recordings:
        yield from _faults_of(recording, data)
    tested = {recording.patient for recording in data.recordings if recording.part != data.parts[0]}
    trained = {recording.patient for recording in data.part(data.parts[0])}
    if unlisted := sorted((tested & trained) - data.never_validate):
        yield (
            f"patients {', '.join(map(str, unlisted))} are in {data.parts[0]} and in another part; list them in "
            "never_validate, as validating on them would be tuning on the test's patients"
        )


def _faults_of(recording: Recording, data: DataSet) -> Iterator[str]:
    name = recording.name
    if recording.part not in data.parts:
        yield f"{name}: part {recording.part!r} is none of {', '.join(data.parts)}"
    for path in dict.fromkeys((recording.path, recording.annotation)):
        if not path.is_file():
            yield f"{name}: {path} is no file"
    if recording.sample_rate <= 0 or recording.frames <= 0:
        yield f"{name}: {recording.frames} samples at {recording.sample_rate} Hz; expected its length"
        return
    if not recording.cycles:
        yield f"{name}: no cycles; leave such a recording out"
    for position, cycle in enumerate(recording.cycles, 1):
        where = f"{name}: cycle {position}"
        if not 0 <= cycle.label < data.task.num_classes:
            yield f"{where}: label {cycle.label}; expected 0 to {data.task.num_classes - 1}"
        if cycle.start_s < 0:
            yield f"{where}: starts at {cycle.start_s:g} s; expected 0 or later"
        try:
            check_times(where, cycle.start_s, cycle.end_s, recording.duration_s)
        except DataError as error:
            yield str(error)
