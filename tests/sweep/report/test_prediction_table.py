"""Answers in each form: what people see, and what other programs read back."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from data.settings import ConfigError
from model.training.prediction import RecordingPrediction
from sweep.report.plain_console import as_text
from sweep.report.prediction_table import (
    audacity_labels,
    label_files,
    prediction_csv,
    prediction_frame,
    prediction_json,
    prediction_table,
)

LABELS = ("normal", "wheeze+crackle")
ONE = RecordingPrediction(
    Path("ward/1, left.wav"),
    4.0,
    LABELS,
    ((0.0, 1.0), (1.0, 4.0)),
    np.array([[0.9, 0.1], [0.3, 0.7]]),
)
# By how long the cycles are: 0.25 and 0.75.
OF_RECORDING = [0.45, 0.55]


def test_a_recordings_probabilities_are_the_mean_of_its_cycles_by_their_length() -> None:
    np.testing.assert_allclose(ONE.of_recording, OF_RECORDING)
    assert ONE.answers == ("normal", "wheeze+crackle")
    assert ONE.answer == "wheeze+crackle"


def test_the_table_has_a_row_a_cycle_and_one_for_the_recording() -> None:
    rows = [line.split() for line in as_text(prediction_table([ONE], LABELS)).splitlines()]
    assert any("1," in row and "90.0" in row for row in rows)
    assert any("whole" in row and "45.0" in row and "55.0" in row for row in rows)


def test_csv_reads_back() -> None:
    rows = list(csv.DictReader(io.StringIO(prediction_csv([ONE], LABELS))))
    assert [row["row"] for row in rows] == ["cycle", "cycle", "recording"]
    assert {row["recording"] for row in rows} == {"ward/1, left.wav"}
    assert [float(row["normal"]) for row in rows] == [0.9, 0.3, 0.45]
    assert (rows[2]["start_s"], rows[2]["end_s"], rows[2]["answer"]) == ("0.0", "4.0", "wheeze+crackle")


def test_json_reads_back() -> None:
    content = json.loads(prediction_json([ONE], {"task": "1-1"}))
    assert content["task"] == "1-1"
    (recording,) = content["recordings"]
    assert recording["probabilities"] == dict(zip(LABELS, OF_RECORDING, strict=True))
    assert recording["cycles"][1] == {
        "start_s": 1.0,
        "end_s": 4.0,
        "answer": "wheeze+crackle",
        "probabilities": {"normal": 0.3, "wheeze+crackle": 0.7},
    }


def test_audacity_gets_a_label_a_cycle() -> None:
    assert (
        audacity_labels(ONE) == "0.000000\t1.000000\tnormal 0.90\n1.000000\t4.000000\twheeze+crackle 0.70\n"
    )


def test_labels_of_two_recordings_never_become_one_file_nor_an_annotation() -> None:
    paths = [Path("a/1.wav"), Path("a/2.wav")]
    assert label_files(paths) == {paths[0]: "1.labels.txt", paths[1]: "2.labels.txt"}
    with pytest.raises(ConfigError, match=r"b/1\.flac: the same name as a/1\.wav"):
        label_files([*paths, Path("b/1.flac")])


def test_pandas_gets_the_columns_without_rows_too() -> None:
    frame = prediction_frame([ONE], LABELS)
    assert frame["wheeze+crackle"].tolist() == pytest.approx([0.1, 0.7, 0.55])
    assert list(prediction_frame([], LABELS).columns) == list(frame.columns)


def test_a_name_steers_nothing() -> None:
    hostile = RecordingPrediction(Path("a\x1b[2J\n=1.wav"), 4.0, LABELS, ONE.spans, ONE.probabilities)
    for text in (
        as_text(prediction_table([hostile], LABELS)),
        prediction_csv([hostile], LABELS),
        prediction_json([hostile], {}),
    ):
        assert "\x1b" not in text
