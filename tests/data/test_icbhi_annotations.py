from pathlib import Path

import pytest

from data.cycle import Cycle
from data.errors import DataError
from data.icbhi_annotations import read_annotation, read_split
from data.task import ICBHI


def written(folder: Path, text: str) -> Path:
    path = folder / "301_1b1_Al_sc_Meditron.txt"
    path.write_text(text)
    return path


def test_the_two_flags_make_the_four_labels(tmp_path: Path) -> None:
    flags = ["0\t0", "1\t0", "0\t1", "1\t1"]
    path = written(tmp_path, "".join(f"{row}\t{row + 1}\t{pair}\n" for row, pair in enumerate(flags)))
    assert [ICBHI.labels[cycle.label] for cycle in read_annotation(path)] == [
        "normal",
        "crackle",
        "wheeze",
        "both",
    ]


def test_each_line_is_a_cycle(tmp_path: Path) -> None:
    path = written(tmp_path, "0.036\t0.579\t0\t0\n0.579\t2.45\t1\t1\n\n")
    assert read_annotation(path) == (Cycle(0.036, 0.579, 0), Cycle(0.579, 2.45, 3))


def test_windows_line_ends_and_a_byte_order_mark_are_nothing_special(tmp_path: Path) -> None:
    assert len(read_annotation(written(tmp_path, "\ufeff0.1\t0.5\t0\t0\r\n0.5\t0.9\t0\t1\r\n"))) == 2


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("start\tend\t0\t0", "read the time 'start'; expected seconds"),
        ("nan\t1.0\t0\t0", "read the time 'nan'; expected seconds"),
        ("0.5\tinf\t0\t0", "read the time 'inf'; expected seconds"),
        ("-0.2\t1.0\t0\t0", "read the time '-0.2'; expected seconds, 0 or more"),
        ("0.5\t2.5\t0\t0", "ends at 2.5 s, but the recording lasts 2.000 s; expected an end inside"),
        ("0.5\t1.5\t2\t0", "expected start and end in seconds, crackle 0 or 1, wheeze 0 or 1"),
        ("0.5\t1.5\t0", "read '0.5 1.5 0'; expected start and end"),
        (
            "0,5\t1,5\t0\t0",
            "read '0,5 1,5 0 0'; expected start and end in seconds, crackle 0 or 1, wheeze 0 or 1; decimals need",
        ),
        ("normal breath", "read 'normal breath'; expected start and end"),
    ],
)
def test_a_broken_line_is_named_with_what_would_be_right(tmp_path: Path, row: str, complaint: str) -> None:
    path = written(tmp_path, f"0.0\t0.5\t0\t0\n{row}\n")
    with pytest.raises(DataError) as caught:
        read_annotation(path, duration_s=2.0)
    message = str(caught.value)
    assert message.startswith(f"{path} line 2: ")
    assert complaint in message
    assert "\n" not in message


def test_a_file_without_cycles_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no cycles; expected a line for each breath"):
        read_annotation(written(tmp_path, "\n"))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_text_in_utf_16_is_said_to_be_that(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "301_1b1_Al_sc_Meditron.txt"
    path.write_bytes("\ufeff0.1\t0.6\t0\t0\n".encode(encoding))
    with pytest.raises(DataError, match=r"Meditron\.txt: text in UTF-16; expected UTF-8, so save it again"):
        read_annotation(path)


def test_an_annotation_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "301_1b1_Al_sc_Meditron.txt"
    path.write_bytes(b"0.1\t0.5\xff\xfe\t0\t0")
    with pytest.raises(DataError, match="not text"):
        read_annotation(path)


@pytest.mark.parametrize(
    "text", ["a_1\ttrain\nb_1\ttest\n", "a_1.wav, train\nb_1.wav, TEST\n", "a_1 train\nb_1   test"]
)
def test_splits_come_with_tabs_commas_or_spaces(tmp_path: Path, text: str) -> None:
    assert read_split(written(tmp_path, text)) == {"a_1": "train", "b_1": "test"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "a\ttrain\nb\tvalidation\n",
            "line 2: read 'b validation'; expected a recording's name and train or test",
        ),
        ("a\n", "line 1: read 'a'; expected a recording's name and train or test"),
        (".wav\ttrain\n", "line 1: read '.wav train'; expected a recording's name and train or test"),
        ("a\ttrain\na\ttest\n", "line 2: a is in test, but was in train above; expected one part"),
        ("", "names no recordings"),
    ],
)
def test_a_broken_split_is_named_with_what_would_be_right(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        read_split(written(tmp_path, text))


def test_a_cycle_that_is_there_twice_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("0.1\t0.5\t0\t0\n0.5\t0.9\t1\t0\n0.1\t0.5\t0\t1\n")
    with pytest.warns(UserWarning, match=r"a\.txt line 3: the same times as line 1; the breath counts twice"):
        assert len(read_annotation(path)) == 3
