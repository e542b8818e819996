"""The wrong answers of which the best configuration was surest: which they are, how they sound and look."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from data.dataset import Recording
from data.recipe_parts import FeatureConfig
from evidence.predictions import answers_of
from sweep.driver.report import report
from sweep.evaluation.best_answers import answers_of_best
from sweep.evaluation.confident_errors import BANDS, MOST, confident_errors, spectrogram
from sweep.evaluation.validation_bundle import BundleExportError
from sweep.folder.study_folder import StudyFolder


def test_the_surest_wrong_answers_come_first_with_the_sound_of_their_cycles(searched: StudyFolder) -> None:
    found = answers_of_best(searched)
    told = confident_errors(found)
    cycles = found.bundle.cycles
    together = np.asarray(np.mean(list(found.bundle.predictions.values()), axis=0, dtype=np.float64))
    wrong = np.flatnonzero(answers_of(together) != cycles.labels)
    assert len(told) == min(MOST, len(wrong)) > 0
    surest = sorted((float(together[row].max()) for row in wrong), reverse=True)[:MOST]
    assert [one["probability"] for one in told] == surest
    recordings = {recording.name: recording for recording in found.recordings.recordings}
    for one in told:
        assert one["answer"] != one["label"]
        assert one["label_probability"] <= one["probability"]
        assert 1 <= one["seeds"] <= 3
        recording = recordings[one["recording"]]
        (cycle,) = (each for each in recording.cycles if each.start_s == one["start_s"])
        assert found.recordings.task.labels[cycle.label] == one["label"]
        samples, rate = soundfile.read(BytesIO(base64.b64decode(one["sound"])))
        assert len(samples) / rate == pytest.approx(cycle.end_s - cycle.start_s, abs=0.05)
        picture = one["spectrogram"]
        assert len(base64.b64decode(picture["cells"])) == picture["frames"] * picture["bands"]


def test_a_page_has_sounds_on_request_alone(searched: StudyFolder, tmp_path: Path) -> None:
    report(searched)
    assert '"sound":' not in (searched.path / "report.html").read_text()
    report(searched, sounds=True)
    assert '"sound":' in (searched.path / "report.html").read_text()
    for path in (searched.path / "predictions").iterdir():
        path.unlink()
    with pytest.raises(BundleExportError, match="not all predictions were kept"):
        report(searched, sounds=True)


def test_a_low_tone_lies_low_in_the_picture(tmp_path: Path) -> None:
    rate = 8000
    seconds = np.arange(3 * rate) / rate
    soundfile.write(
        tmp_path / "a.wav", 0.5 * np.sin(2 * np.pi * np.where(seconds < 1, 200, 2500) * seconds), rate
    )
    recording = Recording(
        "a",
        tmp_path / "a.wav",
        tmp_path / "a.txt",
        1,
        "Al",
        "sc",
        "Meditron",
        "train",
        rate,
        len(seconds),
        (),
    )
    brightest = {}
    for name, (start_s, end_s) in {"low": (0.2, 0.9), "high": (1.2, 2.4), "short": (0.2, 0.21)}.items():
        picture = spectrogram(recording, start_s, end_s, FeatureConfig(sample_rate=rate))
        cells = np.frombuffer(base64.b64decode(picture["cells"]), np.uint8)
        brightest[name] = cells.reshape(picture["bands"], picture["frames"]).mean(1).argmax()
        assert picture["bands"] == BANDS
        assert picture["seconds"] == pytest.approx(end_s - start_s)
    assert brightest["low"] < 15 < 40 < brightest["high"]
