import shutil
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.dataset import census, missing_from_full
from data.errors import DataError
from data.icbhi import read_icbhi
from data.icbhi_annotations import read_annotation, read_split

WriteRecording = Callable[..., Path]


def append(path: Path, text: str) -> None:
    path.write_text(path.read_text() + text)


def refusal(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_icbhi(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_recordings_name_and_the_split_say_all_about_it(recordings: Path) -> None:
    data = read_icbhi(recordings)
    first = data.recordings[0]
    assert (first.name, first.patient, first.location, first.mode, first.device) == (
        "301_1b1_Al_sc_Meditron",
        301,
        "Al",
        "sc",
        "Meditron",
    )
    assert (first.part, first.sample_rate, first.frames, first.duration_s) == ("train", 4000, 8000, 2.0)
    assert [cycle.label for cycle in first.cycles] == [0, 1, 2]
    assert [recording.patient for recording in data.part("test")] == [303]


def test_a_whole_folder_gives_no_warning(recordings: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_icbhi(recordings)


@pytest.mark.parametrize("inner", ["audio_and_txt_files", "ICBHI_final_database"])
@pytest.mark.parametrize("split_inside", [False, True])
@pytest.mark.parametrize("split", ["official_split.txt", "ICBHI_challenge_train_test.txt"])
@pytest.mark.parametrize("given_inner", [False, True])
def test_recordings_may_lie_in_an_inner_folder(
    recordings: Path, tmp_path: Path, inner: str, split_inside: bool, split: str, given_inner: bool
) -> None:
    outer = tmp_path / "database"
    outer.mkdir()
    recordings.rename(outer / inner)
    source = outer / inner / "official_split.txt"
    source.rename((outer / inner if split_inside else outer) / split)
    (outer / "patient_diagnosis.csv").write_text("301,Asthma\n")
    data = read_icbhi(outer / inner if given_inner else outer)
    assert [recording.patient for recording in data.recordings] == [301, 302, 303]
    assert data.patients[301].diagnosis == "Asthma"


def test_flac_and_capital_suffixes_are_recordings_too(
    recordings: Path, write_recording: WriteRecording
) -> None:
    write_recording(recordings, "304_1b1_Al_sc_Meditron", suffix=".flac")
    wav = write_recording(recordings, "305_1b1_Al_sc_Meditron")
    wav.rename(wav.with_suffix(".WAV"))
    append(recordings / "official_split.txt", "304_1b1_Al_sc_Meditron\ttrain\n305_1b1_Al_sc_Meditron\ttest\n")
    assert [recording.patient for recording in read_icbhi(recordings).recordings] == [301, 302, 303, 304, 305]


def test_a_renamed_recording_is_found_by_four_fields_and_the_splits_device_wins(recordings: Path) -> None:
    for old in recordings.glob("301_*"):
        old.rename(old.with_name(old.name.replace("Meditron", "LittC2SE")))
    first = read_icbhi(recordings).recordings[0]
    assert (first.name, first.device, first.part) == ("301_1b1_Al_sc_LittC2SE", "Meditron", "train")


def test_a_patient_in_both_parts_is_warned_of(recordings: Path, write_recording: WriteRecording) -> None:
    write_recording(recordings, "301_2b1_Pl_sc_Meditron")
    append(recordings / "official_split.txt", "301_2b1_Pl_sc_Meditron\ttest\n")
    with pytest.warns(UserWarning, match="patients 301 are in both train and test; they never validate"):
        data = read_icbhi(recordings)
    assert data.never_validate == {156, 218, 301}


def test_a_subset_is_named_a_subset(recordings: Path) -> None:
    append(recordings / "official_split.txt", "304_1b1_Al_sc_Meditron\ttrain\n")
    with pytest.warns(UserWarning, match=r"a subset: 3 of the 4 recordings in official_split\.txt"):
        read_icbhi(recordings)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path / "nowhere").endswith(
        "nowhere: found nothing there; expected a folder with recordings"
    )


def test_a_file_in_place_of_the_folder_is_refused(recordings: Path) -> None:
    assert "found a file there; expected a folder" in refusal(recordings / "official_split.txt")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    assert "no recordings; expected .wav or .flac files" in refusal(tmp_path)


def test_annotations_alone_are_no_recordings(shared: Path) -> None:
    assert "no recordings; expected .wav or .flac files" in refusal(shared / "icbhi_annotations")


def test_a_folder_without_a_split_is_refused_with_what_to_do(shared: Path) -> None:
    message = refusal(shared / "icbhi_wav")
    assert "no split file; put official_split.txt or ICBHI_challenge_train_test.txt" in message
    assert "NAME<TAB>train" in message


def test_a_recording_without_annotation_is_refused(recordings: Path) -> None:
    (recordings / "302_1b1_Pr_sc_Litt3200.txt").unlink()
    message = refusal(recordings)
    assert (
        "302_1b1_Pr_sc_Litt3200.wav: no annotation; expected 302_1b1_Pr_sc_Litt3200.txt beside it" in message
    )


def test_an_annotation_without_recording_is_refused(recordings: Path) -> None:
    (recordings / "302_1b1_Pr_sc_Litt3200.wav").unlink()
    (recordings / "303_1b1_Tc_mc_AKGC417L.wav").unlink()
    message = refusal(recordings)
    assert "302_1b1_Pr_sc_Litt3200.txt: an annotation without its recording; expected" in message
    assert message.endswith("(and 1 more like it)")


def test_other_text_is_not_taken_for_an_annotation(recordings: Path) -> None:
    for name in ("filename_format.txt", "demographic_info.txt", "filename_differences.txt"):
        (recordings / name).write_text("")
    assert len(read_icbhi(recordings).recordings) == 3


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("soon\t1.0\t0\t0", "read the time 'soon'"),
        ("-1\t1.0\t0\t0", "read the time '-1'"),
        ("1.0\t0.5\t0\t0", "expected end after start"),
        ("1.0\t2.5\t0\t0", "but the recording lasts 2.000 s; expected an end inside the recording"),
        ("nan\t1.5\t0\t0", "read the time 'nan'"),
    ],
)
def test_a_broken_annotation_is_named_with_its_line(recordings: Path, row: str, complaint: str) -> None:
    append(recordings / "301_1b1_Al_sc_Meditron.txt", row + "\n")
    message = refusal(recordings)
    assert message.startswith(f"{recordings / '301_1b1_Al_sc_Meditron.txt'} line 4: ")
    assert complaint in message


@pytest.mark.parametrize("content", [b"", b"not audio at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_a_file_that_is_not_audio_is_refused(recordings: Path, content: bytes) -> None:
    broken = recordings / "303_1b1_Tc_mc_AKGC417L.wav"
    broken.write_bytes(content)
    assert refusal(recordings).startswith(f"{broken}: ")


def test_a_truncated_recording_is_refused(recordings: Path) -> None:
    broken = recordings / "303_1b1_Tc_mc_AKGC417L.wav"
    broken.write_bytes(broken.read_bytes()[:9000])
    assert refusal(recordings).startswith(f"{broken}: truncated: ")


def test_a_split_that_names_none_of_the_recordings_is_refused(recordings: Path) -> None:
    (recordings / "official_split.txt").write_text("901_1b1_Al_sc_Meditron\ttrain\n")
    message = refusal(recordings)
    assert "official_split.txt: names none of the 3 recordings" in message
    assert "expected lines like 301_1b1_Al_sc_Meditron<TAB>train" in message


def test_a_recording_that_the_split_does_not_name_is_refused(
    recordings: Path, write_recording: WriteRecording
) -> None:
    added = write_recording(recordings, "304_1b1_Al_sc_Meditron")
    message = refusal(recordings)
    assert message.startswith(f"{added}: not named in ")
    assert "expected a line 304_1b1_Al_sc_Meditron<TAB>train" in message


def test_a_split_with_other_names_is_refused(recordings: Path) -> None:
    append(recordings / "official_split.txt", "patient_7\ttrain\n")
    assert "names 'patient_7'; expected names like PATIENT_INDEX_LOCATION_MODE_DEVICE" in refusal(recordings)


def test_a_split_with_a_recording_under_two_names_is_refused(recordings: Path) -> None:
    append(recordings / "official_split.txt", "301_1b1_Al_sc_LittC2SE\ttrain\n")
    assert "share their first four name fields" in refusal(recordings)


def test_a_recording_under_two_names_is_refused(recordings: Path, write_recording: WriteRecording) -> None:
    write_recording(recordings, "301_1b1_Al_sc_LittC2SE")
    assert "the same recording as 301_1b1_Al_sc_LittC2SE.wav by its first four name fields" in refusal(
        recordings
    )


def test_a_name_that_says_too_little_is_refused(recordings: Path, write_recording: WriteRecording) -> None:
    write_recording(recordings, "breath")
    assert "breath.wav: a name that says too little; expected PATIENT_INDEX_LOCATION_MODE_DEVICE" in refusal(
        recordings
    )


def test_recordings_without_a_patient_of_icbhi_lack_nothing_of_it(recordings: Path) -> None:
    data = read_icbhi(recordings)
    assert data.published is None
    assert missing_from_full(census(data)) == ()


def test_what_a_subset_lacks_is_counted_for_each_part(
    recordings: Path, write_recording: WriteRecording
) -> None:
    write_recording(recordings, "226_1b1_Al_sc_Meditron")
    split = recordings / "official_split.txt"
    split.write_text(f"{split.read_text()}226_1b1_Al_sc_Meditron\ttrain\n")
    assert missing_from_full(census(read_icbhi(recordings)))[1] == (
        "test: 1 of 381 recordings, 3 of 2756 cycles "
        "(normal 1 of 1579, crackle 1 of 649, wheeze 1 of 385, both 0 of 143)"
    )


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_sample_holds_what_its_sources_say(shared: Path) -> None:
    counted = census(read_icbhi(shared / "icbhi_sample"))
    assert counted.recordings == {"train": 108, "test": 108}
    assert counted.patients == {"train": 49, "test": 41}
    assert counted.cycles == {"train": (782, 188, 141, 57), "test": (688, 112, 148, 40)}
    assert counted.devices["test"] == {"Litt3200": 55, "Meditron": 41, "AKGC417L": 12}


def test_the_sample_is_a_subset_with_two_patients_in_both_parts(shared: Path) -> None:
    with (
        pytest.warns(UserWarning, match="a subset: 216 of the 920 recordings"),
        pytest.warns(UserWarning, match="patients 156, 218 are in both train and test"),
    ):
        data = read_icbhi(shared / "icbhi_sample")
    assert data.never_validate == {156, 218}


def test_the_920_annotations_give_the_official_counts(shared: Path) -> None:
    split = read_split(shared / "icbhi_sample" / "official_split.txt")
    annotations = {path.stem: read_annotation(path) for path in (shared / "icbhi_annotations").glob("*.txt")}
    assert Counter(split.values()) == {"train": 539, "test": 381}
    assert annotations.keys() == split.keys()
    counts = Counter((split[name], cycle.label) for name, cycles in annotations.items() for cycle in cycles)
    assert [counts["train", label] for label in range(4)] == [2063, 1215, 501, 363]
    assert [counts["test", label] for label in range(4)] == [1579, 649, 385, 143]


@pytest.fixture
def stand_in_for_all(shared: Path, tmp_path: Path) -> Path:
    """All 920 real annotations and the official split, over silence of the right length at 100 Hz."""
    folder = tmp_path / "full"
    folder.mkdir()
    shutil.copyfile(shared / "icbhi_sample" / "official_split.txt", folder / "official_split.txt")
    for path in (shared / "icbhi_annotations").glob("*.txt"):
        shutil.copyfile(path, folder / path.name)
        end_s = max(cycle.end_s for cycle in read_annotation(path))
        soundfile.write(folder / f"{path.stem}.wav", np.zeros(int(end_s * 100) + 1), 100, subtype="PCM_U8")
    return folder


@pytest.mark.filterwarnings("ignore:.*in both train and test", "ignore:.*equal audio")
def test_all_920_recordings_are_the_full_database_also_under_their_old_names(stand_in_for_all: Path) -> None:
    meditron = sorted({path.stem for path in stand_in_for_all.glob("*_Meditron.wav")})[:91]
    for position, name in enumerate(meditron):
        for suffix in (".wav", ".txt"):
            old = "LittC2SE" if position < 54 else "AKGC417L"
            path = stand_in_for_all / f"{name}{suffix}"
            path.rename(path.with_name(path.name.replace("Meditron", old)))
    counted = census(read_icbhi(stand_in_for_all))
    assert missing_from_full(counted) == ()
    assert counted.patients == {"train": 79, "test": 49}
    assert Counter(counted.devices["train"]) + Counter(counted.devices["test"]) == {
        "AKGC417L": 646,
        "Meditron": 127,
        "LittC2SE": 87,
        "Litt3200": 60,
    }


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_all_920_recordings_with_a_cycle_missing_are_refused(stand_in_for_all: Path) -> None:
    path = stand_in_for_all / "101_1b1_Al_sc_Meditron.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    message = refusal(stand_in_for_all)
    assert (
        "all 920 ICBHI recordings, but not their 6898 cycles: test: 381 of 381 recordings, 2755 of 2756"
        in message
    )
