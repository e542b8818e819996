"""Files and folders as people give them, and what of a recording is a cycle."""

import json
from pathlib import Path

import pytest

from data.errors import DataError
from data.given_recordings import Windows, annotated_spans, find_audio


def test_a_folder_stands_for_its_recordings_and_those_below_it(tmp_path: Path) -> None:
    for name in ("b.wav", "a.FLAC", "a.txt", "patient/1.wav", ".hidden/2.wav", ".3.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found, refused = find_audio([tmp_path, tmp_path / "b.wav"])
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.FLAC", "b.wav", "patient/1.wav"]
    assert refused == []


def test_a_path_that_stands_for_no_recording_is_named_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.wav").touch()
    found, refused = find_audio(
        [tmp_path / "gone.wav", tmp_path / "a.wav", tmp_path / "empty", Path("x" * 5000)]
    )
    assert found == [tmp_path / "a.wav"]
    assert [line.split("; ")[0] for line in refused] == [
        f"{tmp_path}/gone.wav: found nothing there",
        f"{tmp_path}/empty: no recordings",
        refused[2].split("; ")[0],
    ]
    assert "cannot be read: File name too long" in refused[2]


@pytest.mark.parametrize(
    ("windows", "duration_s", "spans"),
    [
        (Windows(8.0, 8.0), 20.0, ((0, 8), (8, 16), (16, 20))),
        (Windows(8.0, 8.0), 16.0, ((0, 8), (8, 16))),
        (Windows(8.0, 4.0), 16.0, ((0, 8), (4, 12), (8, 16))),
        (Windows(8.0, 4.0), 5.0, ((0, 5),)),
        # What no network can hear is left out, and rounding makes no window.
        (Windows(8.0, 8.0), 16.005, ((0, 8), (8, 16))),
        (Windows(0.1, 0.1), 0.3, ((0, 0.1), (0.1, 0.2), (0.2, 0.3))),
    ],
)
def test_windows_cover_a_recording(
    windows: Windows, duration_s: float, spans: tuple[tuple[float, float], ...]
) -> None:
    found = windows.spans(duration_s)
    assert len(found) == len(spans)
    for one, other in zip(found, spans, strict=True):
        assert one == pytest.approx(other)


def events(path: Path, record: str, *times: tuple[int, int]) -> None:
    listed = [{"start": str(start), "end": str(end), "type": "Normal"} for start, end in times]
    path.write_text(json.dumps({"record_annotation": record, "event_annotation": listed}))


def test_cycles_are_read_from_either_annotation_whatever_the_case_of_its_name(tmp_path: Path) -> None:
    assert annotated_spans(tmp_path / "a.wav", 9.0, tmp_path) is None
    (tmp_path / "A.TXT").write_text("0.5\t2\t0\t1\n2\t3.5\t0\t0\n")
    assert annotated_spans(tmp_path / "a.wav", 9.0, tmp_path) == ((0.5, 2.0), (2.0, 3.5))
    events(tmp_path / "b.json", "Normal", (500, 2000))
    assert annotated_spans(tmp_path / "b.wav", 9.0, tmp_path) == ((0.5, 2.0),)


def test_an_annotation_that_says_no_cycles_is_refused(tmp_path: Path) -> None:
    events(tmp_path / "poor.json", "Poor Quality")
    with pytest.raises(DataError, match=r"poor\.json: a recording called Poor Quality, without events"):
        annotated_spans(tmp_path / "poor.wav", 9.0, tmp_path)
    (tmp_path / "poor.txt").write_text("0\t2\t0\t0\n")
    with pytest.raises(DataError, match=r"poor\.wav: two annotations, poor\.txt and poor\.json in "):
        annotated_spans(tmp_path / "poor.wav", 9.0, tmp_path)
    (tmp_path / "long.txt").write_text("0\t20\t0\t0\n")
    with pytest.raises(
        DataError, match=r"long\.txt line 1: the cycle ends at 20 s, but the recording lasts 9"
    ):
        annotated_spans(tmp_path / "long.wav", 9.0, tmp_path)
