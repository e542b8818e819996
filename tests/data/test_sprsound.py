import shutil
import warnings
from pathlib import Path

import pytest

from data.dataset import DataSet, census, missing_from_full
from data.errors import DataError
from data.patients import Patient
from data.sprsound import read_sprsound
from data.task import TASKS
from tests.data.conftest import EVENTS, write_child


def read(directory: Path, task: str = "1-2") -> DataSet:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*a subset", category=UserWarning)
        return read_sprsound(directory, TASKS[task])


def refusal(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        read(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_an_event_is_a_cycle_and_poor_quality_is_left_out(children: Path) -> None:
    data = read(children)
    assert data.parts == ("train", "inter", "intra")
    assert [recording.name for recording in data.part("train")] == ["501_2.4_0_p1_1", "502_14_1_p2_3"]
    first = data.recordings[0]
    assert (first.patient, first.location, first.device, first.sample_rate) == (501, "p1", "Yunting II", 8000)
    assert [(c.start_s, c.end_s, c.label) for c in first.cycles] == [
        (0.1, 0.6, 0),
        (0.6, 1.2, 5),
        (1.2, 1.9, 1),
    ]
    assert [recording.part for recording in data.recordings] == ["train", "intra", "train", "inter"]


@pytest.mark.parametrize(
    ("task", "labels"), [("2-1", [1, 2, 1, 0, 1]), ("2-2", [3, 4, 1, 0, 2]), ("icbhi", [0, 1, 2, 2, 0, 3])]
)
def test_the_task_says_what_a_cycle_is(children: Path, task: str, labels: list[int]) -> None:
    data = read(children, task)
    cycles = [cycle for recording in data.recordings for cycle in recording.cycles]
    assert [cycle.label for cycle in cycles] == labels
    if TASKS[task].whole_recordings:
        assert {(cycle.start_s, cycle.end_s) for cycle in cycles} == {(0.0, 2.0)}


def test_nobody_is_kept_out_of_validation(children: Path) -> None:
    assert read(children).never_validate == frozenset()


def test_names_say_age_and_sex(children: Path) -> None:
    assert read(children).patients == {
        501: Patient(age_years=2.4, sex="M"),
        502: Patient(age_years=14.0, sex="F"),
        503: Patient(age_years=0.8, sex="F"),
    }


def test_the_content_hash_sees_a_changed_annotation(children: Path) -> None:
    before = read(children).content_hash()
    write_child(children, "502_14_1_p2_3", "train", "Normal", [{**EVENTS[0], "end": "601"}])
    assert read(children).content_hash() != before


def test_a_subset_is_read_with_a_warning_and_counted(children: Path) -> None:
    with pytest.warns(UserWarning, match=r"children: a subset: 5 of the 2683 recordings of SPRSound 2022"):
        data = read_sprsound(children, TASKS["2-1"])
    assert missing_from_full(census(data))[1] == (
        "inter: 1 of 355 recordings, 1 of 355 cycles "
        "(normal 0 of 241, adventitious 1 of 106, poor quality 0 of 8)"
    )


def test_a_training_part_alone_is_read(children: Path) -> None:
    for folder in ("test_wav", "test_json"):
        shutil.rmtree(children / folder)
    assert census(read(children)).recordings == {"train": 2, "inter": 0, "intra": 0}


def test_a_patient_of_the_inter_test_in_training_is_refused(children: Path) -> None:
    write_child(children, "503_0.8_1_p1_9", "train", "Normal", EVENTS[:1])
    message = refusal(children)
    assert "503_0.8_1_p4_4.json: patient 503 of the inter test is in training as well" in message
    assert "503_0.8_1_p1_9.json" in message


def test_one_number_for_two_children_is_refused(children: Path) -> None:
    write_child(children, "502_14_0_p3_9", "train", "Normal", EVENTS[:1])
    assert "patient 502 has another sex than in" in refusal(children)


@pytest.mark.parametrize("task", ["1-2", "2-2"])
def test_broken_audio_and_events_are_named_whatever_the_task(children: Path, task: str) -> None:
    write_child(children, "502_14_1_p2_3", "train", "Normal", [{**EVENTS[0], "end": "9000"}])
    with pytest.raises(DataError, match=r"502_14_1_p2_3.json event 1: the cycle ends at 9 s"):
        read(children, task)
    (children / "train_wav" / "501_2.4_0_p1_1.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"501_2.4_0_p1_1.wav: not readable as audio"):
        read(children, task)


@pytest.mark.parametrize(
    ("task", "train", "inter", "intra"),
    [
        ("icbhi", (5159, 961, 506, 30), (1040, 83, 305, 1), (688, 189, 124, 3)),
        ("1-1", (5159, 1497), (1040, 389), (688, 316)),
        (
            "1-2",
            (5159, 39, 452, 15, 49, 912, 30),
            (1040, 0, 305, 0, 3, 80, 1),
            (688, 14, 108, 2, 14, 175, 3),
        ),
        ("2-1", (1303, 469, 177), (241, 106, 8), (241, 136, 2)),
        ("2-2", (1303, 126, 248, 95, 177), (241, 65, 24, 17, 8), (241, 42, 75, 19, 2)),
    ],
)
def test_the_whole_release_counts_as_its_sources_say(
    sprsound: Path, task: str, train: tuple[int, ...], inter: tuple[int, ...], intra: tuple[int, ...]
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        counted = census(read_sprsound(sprsound, TASKS[task]))
    assert counted.cycles == {"train": train, "inter": inter, "intra": intra}
    whole = TASKS[task].whole_recordings
    assert counted.recordings == (
        {"train": 1949, "inter": 355, "intra": 379} if whole else {"train": 1772, "inter": 347, "intra": 377}
    )
    assert counted.patients == (
        {"train": 251, "inter": 41, "intra": 162} if whole else {"train": 243, "inter": 41, "intra": 160}
    )
    assert missing_from_full(counted) == ()


def test_original_wav_files_are_read_as_the_flac_copies_are(sprsound: Path) -> None:
    wav = read(sprsound.parent / "sprsound_wav")
    whole = {recording.name: recording for recording in read(sprsound).recordings}
    assert len(wav.recordings) == 11
    for recording in wav.recordings:
        same = whole[recording.name]
        assert (recording.part, recording.cycles, recording.frames) == (same.part, same.cycles, same.frames)
