from pathlib import Path

import pytest

from data.errors import DataError
from data.icbhi import read_icbhi
from data.icbhi_files import DEPTH, icbhi_audio_folder, paired_audio
from data.recordings import read_recordings

NESTED = "Respiratory_Sound_Database/Respiratory_Sound_Database/audio_and_txt_files"


def moved(recordings: Path, outer: Path, inner: str, split: str) -> Path:
    """Put the recordings into `inner` and their split at `split`, both within `outer`."""
    (outer / inner).parent.mkdir(parents=True)
    recordings.rename(outer / inner)
    (outer / inner / "official_split.txt").rename(outer / split)
    return outer


@pytest.mark.parametrize("inner", ["audio_test_data", "audio_text_data", "Audio_Test_Data"])
@pytest.mark.parametrize("given", ["", "inner"])
def test_the_split_lies_beside_the_folder_of_recordings(
    recordings: Path, tmp_path: Path, inner: str, given: str
) -> None:
    outer = moved(recordings, tmp_path / "icbhi_dataset", inner, "official_split.txt")
    data = read_icbhi(outer / inner if given else outer)
    assert len(data.recordings) == 3
    assert data.read == (f"recordings: {outer / inner}", f"split: {outer / 'official_split.txt'}")


@pytest.mark.parametrize("split", ["official_split.txt", f"{NESTED}/Official_Split.TXT"])
def test_the_nested_archive_is_read_as_it_unpacks_and_what_was_read_is_said(
    recordings: Path, tmp_path: Path, split: str
) -> None:
    outer = moved(recordings, tmp_path / "archive", NESTED, split)
    (outer / "__MACOSX" / NESTED).mkdir(parents=True)
    (outer / "__MACOSX" / NESTED / "301_1b1_Al_sc_Meditron.wav").write_bytes(b"")
    with pytest.warns(
        UserWarning, match=f"archive: recordings are read from .*{NESTED}, the split from .*txt$|TXT$"
    ):
        assert len(read_icbhi(outer).recordings) == 3
    assert len(read_icbhi(outer / NESTED).recordings) == 3


def test_the_given_folder_may_be_a_link(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "audio_test_data").symlink_to(recordings)
    (recordings / "official_split.txt").rename(tmp_path / "dataset" / "official_split.txt")
    assert len(read_icbhi(tmp_path / "dataset").recordings) == 3
    assert len(read_icbhi(tmp_path / "dataset" / "audio_test_data").recordings) == 3


def test_a_circle_of_links_ends(tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to(tmp_path)
    with pytest.raises(DataError, match="no recordings"):
        icbhi_audio_folder(tmp_path)


def test_recordings_in_several_folders_are_refused_by_name(tmp_path: Path) -> None:
    for name in "abcd":
        (tmp_path / name).mkdir()
        (tmp_path / name / "301_1b1_Al_sc_Meditron.wav").write_bytes(b"")
    with pytest.raises(
        DataError, match=r"in several folders, .*/a, .*/b, .*/c, and more; give the one that is meant$"
    ):
        icbhi_audio_folder(tmp_path)


@pytest.mark.parametrize("deeper", [0, 1])
def test_folders_are_looked_into_to_a_depth(tmp_path: Path, deeper: int) -> None:
    folder = tmp_path.joinpath(*"abcdefgh"[: DEPTH + deeper])
    folder.mkdir(parents=True)
    (folder / "301_1b1_Al_sc_Meditron.wav").write_bytes(b"")
    if deeper:
        with pytest.raises(DataError, match="no recordings"):
            icbhi_audio_folder(tmp_path)
    else:
        assert icbhi_audio_folder(tmp_path) == folder


def test_sprsound_below_the_given_folder_is_named(children: Path) -> None:
    with pytest.raises(DataError, match=rf"found SPRSound in {children}; give that folder"):
        read_icbhi(children.parent)


def test_names_of_files_may_be_in_any_case(recordings: Path) -> None:
    for name, other in [
        ("301_1b1_Al_sc_Meditron.txt", "301_1b1_Al_sc_Meditron.TXT"),
        ("302_1b1_Pr_sc_Litt3200.txt", "302_1B1_PR_SC_LITT3200.TXT"),
        ("303_1b1_Tc_mc_AKGC417L.wav", "303_1B1_TC_MC_AKGC417L.WAV"),
        ("official_split.txt", "OFFICIAL_SPLIT.TXT"),
    ]:
        (recordings / name).rename(recordings / other)
    data = read_icbhi(recordings)
    assert [(recording.patient, recording.device) for recording in data.recordings] == [
        (301, "Meditron"),
        (302, "Litt3200"),
        (303, "AKGC417L"),
    ]


def test_two_annotations_that_differ_in_case_are_refused(recordings: Path) -> None:
    annotation = recordings / "301_1b1_Al_sc_Meditron.txt"
    annotation.with_suffix(".TXT").write_bytes(annotation.read_bytes())
    with pytest.raises(DataError, match=r"Meditron\.txt: the same name as .*Meditron\.TXT; expected one"):
        paired_audio(recordings)


def test_a_missing_split_is_said_with_the_folders_that_were_looked_into(
    recordings: Path, tmp_path: Path
) -> None:
    outer = moved(recordings, tmp_path / "d", "audio_test_data", "split.txt")
    with pytest.raises(
        DataError, match=rf"no split file; put .* into {outer}/audio_test_data or {outer}, or your"
    ):
        read_icbhi(outer)


@pytest.mark.parametrize(
    ("given", "files"),
    [
        ("01_patch_mix_layout/icbhi_dataset", 2),
        ("01_patch_mix_layout/icbhi_dataset/audio_test_data", 2),
        ("02_kaggle_layout/archive", 2),
        ("13_optional_diagnosis_blocks/data", 3),
        ("15_text_messages/upper_txt", 2),
    ],
)
@pytest.mark.filterwarnings("ignore:.*(recordings are read from|populations by age alone need it)")
def test_layouts_that_users_had_are_read(cases: Path, given: str, files: int) -> None:
    data = read_recordings(cases / "use" / given)
    assert (len(data.recordings), len(data.read)) == (2, files)


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ("utf16", r"301_1b1_Al_sc_Meditron\.txt: text in UTF-16; expected UTF-8"),
        ("decimal_comma", r"line 1: read '0,036 0,579 0 0'; .*; decimals need a point"),
    ],
)
def test_annotations_that_users_had_are_refused_with_what_to_do(
    cases: Path, given: str, complaint: str
) -> None:
    with pytest.raises(DataError, match=complaint):
        read_recordings(cases / "use" / "15_text_messages" / given)
