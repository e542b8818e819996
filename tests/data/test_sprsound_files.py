from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from data.audio_file import recording_length
from data.errors import DataError
from data.sprsound_files import RecordingFiles, age_in_name, find_recordings, is_sprsound
from tests.data.conftest import CHILDREN, EVENTS, write_child


def refusal(directory: Path) -> str:
    with pytest.raises(DataError) as caught:
        find_recordings(directory)
    message = str(caught.value)
    assert "\n" not in message
    return message


def test_a_recording_is_found_with_its_part_and_what_its_name_says(children: Path) -> None:
    assert find_recordings(children)[0] == RecordingFiles(
        audio=children / "train_wav" / "501_2.4_0_p1_1.wav",
        annotation=children / "train_json" / "501_2.4_0_p1_1.json",
        part="train",
        patient=501,
        age_years=2.4,
        sex="M",
        site="p1",
    )


def test_a_folder_that_is_not_sprsound_or_is_empty_is_refused(tmp_path: Path) -> None:
    assert not is_sprsound(tmp_path)
    assert "not SPRSound; expected folders train_wav" in refusal(tmp_path)
    (tmp_path / "train_json").mkdir()
    assert is_sprsound(tmp_path)
    assert "no recordings; expected .wav or .flac files, with a .json each" in refusal(tmp_path)


@pytest.mark.parametrize("inner", ["", "BioCAS2022"])
def test_the_newer_folder_names_and_flac_are_read_as_well(children: Path, tmp_path: Path, inner: str) -> None:
    outer = tmp_path / "newer"
    for name, content in CHILDREN.items():
        write_child(outer / inner, name, *content, year="2022")
    for wav in sorted(outer.rglob("*.wav")):
        soundfile.write(wav.with_suffix(".flac"), *soundfile.read(wav))
        wav.unlink()
    assert is_sprsound(outer)
    for older, newer in zip(find_recordings(children), find_recordings(outer), strict=True):
        assert newer.audio.name == f"{older.audio.stem}.flac"
        assert recording_length(newer.audio) == recording_length(older.audio)
        assert newer.annotation.read_bytes() == older.annotation.read_bytes()
        assert replace(newer, audio=older.audio, annotation=older.annotation) == older


@pytest.mark.parametrize("inner", ["", "BioCAS2022"])
def test_folders_of_two_layouts_are_refused_for_one_would_not_be_read(children: Path, inner: str) -> None:
    newer = children / inner
    newer.mkdir(exist_ok=True)
    for name in ("test_wav", "test_json"):
        (children / name).rename(newer / f"{name[:4]}2022{name[4:]}")
    first = str(Path(inner, "test2022_json"))
    assert f"children: train_json and {first} are folders of different layouts" in refusal(children)


def test_recordings_beside_the_folders_are_refused_for_they_would_not_be_read(children: Path) -> None:
    for name in ("101_1b1_Al_sc_Meditron.wav", "102_1b1_Al_sc_Meditron.wav"):
        (children / name).write_bytes(b"")
    message = refusal(children)
    assert "101_1b1_Al_sc_Meditron.wav: a recording beside train_json, where it would not be read" in message
    assert message.endswith("expected recordings in train_wav and test_wav alone (and 1 more like it)")


def test_hidden_files_are_not_recordings(children: Path) -> None:
    for name in ("train_json/._501_2.4_0_p1_1.json", "train_wav/._501_2.4_0_p1_1.wav"):
        (children / name).write_bytes(b"\0\5\x16\7")
    assert [files.audio.stem for files in find_recordings(children)] == sorted(CHILDREN)


def test_a_missing_annotation_is_named(children: Path) -> None:
    (children / "train_json" / "502_14_1_p2_3.json").unlink()
    message = refusal(children)
    assert "train_wav/502_14_1_p2_3.wav: no annotation; expected 502_14_1_p2_3.json in " in message
    assert message.endswith("train_json")


def test_an_annotation_without_its_recording_is_named(children: Path) -> None:
    for wav in (children / "train_wav").iterdir():
        wav.unlink()
    message = refusal(children)
    assert (
        "501_2.4_0_p1_1.json: an annotation without its recording; expected 501_2.4_0_p1_1.wav or" in message
    )
    assert message.endswith("(and 2 more like it)")


def test_a_recording_in_two_parts_is_refused(children: Path) -> None:
    write_child(children, "503_0.8_1_p4_4", "intra", "Normal", EVENTS[:1])
    assert "503_0.8_1_p4_4.json: the recording is in intra, but " in refusal(children)


def test_a_recording_as_wav_and_flac_is_refused(children: Path) -> None:
    wav = children / "train_wav" / "501_2.4_0_p1_1.wav"
    soundfile.write(wav.with_suffix(".flac"), *soundfile.read(wav))
    assert "501_2.4_0_p1_1.wav: the same recording as 501_2.4_0_p1_1.flac; expected one file" in refusal(
        children
    )


@pytest.mark.parametrize(
    "name",
    ["501_2.4_0_p1", "501_2.4_2_p1_7", "501_x_0_p1_7", "501_2.4_0_p5_7", "a_2.4_0_p1_7", "501__0_p1_7"],
)
def test_a_name_that_says_too_little_is_refused(children: Path, name: str) -> None:
    write_child(children, name, "train", "Normal", EVENTS[:1])
    assert f"{name}.wav: the name is none of SPRSound's; expected PATIENT_AGE_SEX_SITE_NUMBER" in refusal(
        children
    )


def test_the_age_in_a_name_is_that_of_its_second_field() -> None:
    assert age_in_name("65098526_2.4_0_p1_2320") == 2.4
    assert age_in_name("101_1b1_Al_sc_Meditron") is None
    assert age_in_name("65098526_2.4_0_p9_2320") is None
