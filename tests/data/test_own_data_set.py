from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from data.cycle import Cycle
from data.dataset import DataSet
from data.errors import DataError
from data.own_code import own_object
from data.own_data_set import read_own
from data.recordings import read_recordings
from data.settings import ConfigError
from data.task import Task, task_named
from tests.own_parts import write_coughs, write_modules

NAME = "my_coughs:COUGHS"


@pytest.fixture
def coughs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_modules(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return write_coughs(tmp_path / "coughs", patients=3)


@pytest.fixture
def read_changed(coughs: Path) -> Callable[..., DataSet]:
    """Reads the coughs with a reader that changes what it found: the data set, or its first recording."""
    task = task_named(NAME)

    def read(first: dict[str, Any] | None = None, **changes: Any) -> DataSet:
        def reader(folder: Path) -> DataSet:
            assert task.read is not None
            found = task.read(folder)
            recordings = list(found.recordings)
            recordings[0] = replace(recordings[0], **(first or {}))
            return replace(found, **{"recordings": tuple(recordings), **changes})

        return read_own(coughs, replace(task, read=reader))

    return read


def test_recordings_are_read_by_the_tasks_own_reader(coughs: Path) -> None:
    data = read_recordings(coughs, NAME)
    assert data.task.name == NAME
    assert data.task.labels == ("normal", "dry", "wet")
    assert [recording.name for recording in data.recordings] == ["p1", "p2", "p3"]
    assert [cycle.label for cycle in data.recordings[0].cycles] == [0, 1, 2]
    assert data.patients[2].age_years == 32
    assert len(data.content_hash()) == 64


def test_recordings_come_in_the_order_of_their_names(
    coughs: Path, read_changed: Callable[..., DataSet]
) -> None:
    data = read_recordings(coughs, NAME)
    assert read_changed(recordings=data.recordings[::-1]).recordings == data.recordings


def test_a_folder_that_is_not_there_is_refused_before_the_reader_is_asked(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nope: found nothing there"):
        read_own(tmp_path / "nope", Task("x", ("normal", "y"), "average", read=lambda _: 1 / 0))  # type: ignore[arg-type]


def test_a_reader_that_fails_or_returns_something_else_is_named(tmp_path: Path) -> None:
    failing = Task("x", ("normal", "y"), "average", read=lambda folder: {}[folder])  # type: ignore[arg-type]
    with pytest.raises(DataError, match="the reader of x failed: KeyError"):
        read_own(tmp_path, failing)
    with pytest.raises(
        DataError, match=r"the reader of x returned a list; expected a data\.dataset\.DataSet"
    ):
        read_own(tmp_path, replace(failing, read=lambda _: []))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("first", "fault"),
    [
        ({"name": "p2"}, "2 recordings are called p2"),
        ({"part": "exam"}, "p1: part 'exam' is none of train"),
        ({"path": Path("gone.wav")}, r"p1: gone\.wav is no file"),
        ({"frames": 0}, "p1: 0 samples at 4000 Hz; expected its length"),
        ({"cycles": ()}, "p1: no cycles; leave such a recording out"),
        ({"cycles": (Cycle(0.0, 1.0, 3),)}, "p1: cycle 1: label 3; expected 0 to 2"),
        (
            {"cycles": (Cycle(float("nan"), 1.0, 0),)},
            "p1: cycle 1 is .*nan.*; expected times in seconds and a label",
        ),
        ({"cycles": (Cycle(-1.0, 1.0, 0),)}, "p1: cycle 1: starts at -1 s; expected 0 or later"),
        (
            {"cycles": (Cycle(0.0, 1.0, 0), Cycle(2.0, 9.0, 0))},
            "p1: cycle 2: the cycle ends at 9 s, but the recording lasts",
        ),
    ],
)
def test_a_recording_that_cannot_be_trained_on_is_named(
    read_changed: Callable[..., DataSet], first: dict[str, Any], fault: str
) -> None:
    with pytest.raises(DataError, match=f"the reader of {NAME} returned no usable data: .*{fault}"):
        read_changed(first)


def test_a_data_set_without_a_training_part_is_refused(read_changed: Callable[..., DataSet]) -> None:
    with pytest.raises(DataError, match="no official part; expected at least one"):
        read_changed(parts=())
    with pytest.raises(DataError, match="no recording in the training part, learn"):
        read_changed(parts=("learn", "train"))


def test_patients_of_both_parts_must_be_listed(coughs: Path, read_changed: Callable[..., DataSet]) -> None:
    one, *others = read_recordings(coughs, NAME).recordings
    both = (one, replace(one, name="p9", part="test"), *others)
    with pytest.raises(
        DataError, match="patients 1 are in train and in another part; list them in never_validate"
    ):
        read_changed(parts=("train", "test"), recordings=both)
    listed = read_changed(parts=("train", "test"), recordings=both, never_validate=frozenset({1}))
    assert len(listed.part("test")) == 1


def test_an_own_task_is_called_by_its_place(coughs: Path) -> None:
    assert task_named(NAME).name == NAME
    assert task_named(NAME) == replace(own_object(NAME), name=NAME)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("my_coughs:LABELS", r"my_coughs:LABELS: expected a data\.task\.Task, got tuple"),
        ("unread:TASK", "unread:TASK: has no `read`"),
        ("unread:SAME", r"unread:SAME: labels: expected two or more that differ, got \('a', 'a'\)"),
        ("unread:SCORED", "unread:SCORED: score: expected one of average, challenge, harmonic, got 'best'"),
    ],
)
def test_what_is_no_task_is_refused(tmp_path: Path, coughs: Path, name: str, complaint: str) -> None:
    (tmp_path / "unread.py").write_text(
        "from data.task import Task\n"
        "TASK = Task('x', ('normal', 'y'), 'average')\n"
        "SAME = Task('x', ('a', 'a'), 'average', read=print)\n"
        "SCORED = Task('x', ('a', 'b'), 'average', read=print)\n"
        "object.__setattr__(SCORED, 'score', 'best')\n"
    )
    with pytest.raises(ConfigError, match=complaint):
        task_named(name)


def test_what_is_in_another_form_than_a_recording_is_named(coughs: Path) -> None:
    found = read_recordings(coughs, NAME)
    first = copy(found.recordings[0])
    object.__setattr__(first, "annotation", None)
    task = task_named(NAME)
    with pytest.raises(DataError, match=r"a str among the recordings; expected data\.dataset\.Recording"):
        read_own(coughs, replace(task, read=lambda _: with_first(found, "p7")))
    with pytest.raises(DataError, match="p1: annotation is None; expected Path"):
        read_own(coughs, replace(task, read=lambda _: with_first(found, first)))


def with_first(found: DataSet, first: Any) -> DataSet:
    """Copy a data set with something else for its first recording, as no type checker would let pass."""
    data = copy(found)
    object.__setattr__(data, "recordings", (first, *found.recordings[1:]))
    return data
