"""Networks of a study answer to new recordings as they do to its own, and refuse what they cannot hear."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

import sweep
from data.audio_file import recording_length
from data.dataset import Recording, SealedPartError
from data.errors import DataError
from data.recordings import read_recordings
from data.settings import ConfigError
from data.store import build_store
from model.training.prediction import load_network, predict
from sweep.config.study_config import StudyConfig
from sweep.evaluation.predict import Cutting, load_predictor
from sweep.evaluation.recordings_of import recordings_of
from sweep.folder.study_folder import StudyFolder
from sweep.report.which_configuration import NoConfigurationError
from sweep.worker.unit_results import UnitResultError
from tests.studies import tiny_study
from tests.sweep.command_line import respsweep


@pytest.fixture
def trained_on(first: StudyFolder) -> Recording:
    return read_recordings(recordings_of(first)).part("train")[3]


@pytest.fixture
def sealed(first: StudyFolder) -> Recording:
    return read_recordings(recordings_of(first)).part("test")[0]


@pytest.fixture
def breath(trained_on: Recording, tmp_path: Path) -> Path:
    """A recording without annotation."""
    return Path(shutil.copy(trained_on.path, tmp_path / "breath.wav"))


def stored_answers(folder: StudyFolder, recording: Recording, cache: Path) -> list[np.ndarray]:
    """What each seed's network answers to the cycles of a recording that lie in the feature store."""
    recordings = read_recordings(recordings_of(folder))
    board, config = folder.board(), folder.config()
    chosen = board.ranking()[0]
    recipe = config.space.recipe(chosen.values)
    store = build_store(recordings, recipe.features, part="train", cache=cache, progress=False)
    examples = store.examples(np.flatnonzero(np.array(store.recordings) == recording.name))
    answers = []
    for seed in board.seeds:
        weights = folder.units / f"{chosen.number:04d}-seed{seed}" / "weights.safetensors"
        network = load_network(recipe, recordings.task, weights, "cpu")
        answers.append(predict(network, examples, recipe, torch.device("cpu"))[0])
    return answers


def test_a_recording_of_the_study_is_answered_bit_for_bit_as_from_its_feature_store(
    first: StudyFolder, finished: StudyFolder, trained_on: Recording, tmp_path: Path
) -> None:
    by_seed = stored_answers(finished, trained_on, tmp_path / "features")
    together = load_predictor(first).predict(trained_on.path)
    assert together.spans == tuple((cycle.start_s, cycle.end_s) for cycle in trained_on.cycles)
    np.testing.assert_array_equal(together.probabilities, np.mean(by_seed, axis=0, dtype=np.float64))
    alone = load_predictor(first, seed=4).predict(trained_on.path)
    np.testing.assert_array_equal(alone.probabilities, by_seed[1].astype(np.float64))
    assert not np.array_equal(by_seed[0], by_seed[1])


def test_a_study_that_is_not_finished_answers_with_its_best_configuration(
    first: StudyFolder, finished: StudyFolder, trained_on: Recording, tmp_path: Path
) -> None:
    assert next(load_predictor(first).notes()) == f"networks: {finished.place}, configuration 0, seeds 3, 4"
    shutil.rmtree(finished.path)
    best = first.board().ranking()[0].number
    predictor = load_predictor(first)
    said = list(predictor.notes())
    assert said[0] == f"networks: {first.place}, configuration {best}, seeds 1, 2"
    assert (
        "task icbhi (normal, crackle, wheeze, both) from the official training part of synthetic" in said[1]
    )
    assert "validation patients were held out" in said[1]
    assert "not a medical device" in said[2]
    by_seed = stored_answers(first, trained_on, tmp_path / "features")
    together = predictor.predict(trained_on.path).probabilities
    np.testing.assert_array_equal(together, np.mean(by_seed, axis=0, dtype=np.float64))


def test_what_finished_an_earlier_study_of_the_name_does_not_answer(first: StudyFolder) -> None:
    first.write_provenance({**first.provenance(), "study_id": "0" * 32})
    assert load_predictor(first).seeds == (1, 2)


def test_without_annotation_windows_cover_the_recording(first: StudyFolder, breath: Path) -> None:
    rate, frames = recording_length(breath)
    duration_s = frames / rate
    found = load_predictor(first).predict(breath)
    assert found.spans[0] == (0.0, 8.0)
    assert found.spans[-1][1] == duration_s
    assert [end - start for start, end in found.spans[:-1]] == [8.0] * (len(found.spans) - 1)
    overlapping = load_predictor(first, cutting=Cutting(window_s=4, hop_s=2)).predict(breath)
    assert overlapping.spans[:3] == ((0.0, 4.0), (2.0, 6.0), (4.0, 8.0))
    # The answer to a window is that to the same cycle of an annotation.
    breath.with_suffix(".txt").write_text("0.0\t4.0\t0\t0\n2.0\t6.0\t1\t1\n")
    annotated = load_predictor(first).predict(breath)
    np.testing.assert_allclose(annotated.probabilities, overlapping.probabilities[:2], atol=1e-6)


def test_for_a_task_on_whole_recordings_each_is_one_cycle_whatever_is_annotated(
    first: StudyFolder, trained_on: Recording
) -> None:
    predictor = load_predictor(first)
    whole = replace(predictor, task=replace(predictor.task, whole_recordings=True))
    assert whole.predict(trained_on.path).spans == ((0.0, trained_on.duration_s),)


def test_answers_that_are_no_numbers_are_refused(first: StudyFolder, breath: Path) -> None:
    class Broken(torch.nn.Module):
        def forward(self, features: torch.Tensor) -> torch.Tensor:
            return torch.full((len(features), 4), torch.nan)

    predictor = load_predictor(first)
    with pytest.raises(DataError, match=r"breath\.wav: the network's answers are not finite numbers"):
        replace(predictor, networks=(*predictor.networks, Broken())).predict(breath)


def test_annotations_may_lie_in_a_folder_of_their_own(
    first: StudyFolder, breath: Path, tmp_path: Path
) -> None:
    (tmp_path / "cycles").mkdir()
    predictor = load_predictor(first, cutting=Cutting(annotations=tmp_path / "cycles"))
    with pytest.raises(
        DataError, match=r"breath\.wav: no annotation; expected breath\.txt or breath\.json in"
    ):
        predictor.predict(breath)
    event = {"start": "500", "end": "2500", "type": "Normal"}
    content = {"record_annotation": "Normal", "event_annotation": [event]}
    (tmp_path / "cycles" / "breath.json").write_text(json.dumps(content))
    assert predictor.predict(breath).spans == ((0.5, 2.5),)


def test_the_official_test_part_is_refused_under_any_name(
    first: StudyFolder, sealed: Recording, tmp_path: Path
) -> None:
    predictor = load_predictor(first)
    copy = shutil.copy(sealed.path, tmp_path / "mine.wav")
    for path in (sealed.path, Path(copy)):
        with pytest.raises(
            SealedPartError,
            match=f"refused, as it is {sealed.name}.wav of the study's official test part, .* test",
        ):
            predictor.predict(path)


def test_what_cannot_answer_is_refused(first: StudyFolder, finished: StudyFolder, studies: Path) -> None:
    with pytest.raises(ConfigError, match=r"seed: must be one of 3, 4, which .*first-finish has, got 1"):
        load_predictor(first, seed=1)
    for cutting, complaint in (
        (
            Cutting(window_s=9),
            r"window: must be 0\.01 to 8 seconds \(features\.duration_s of the recipe\), got 9",
        ),
        (Cutting(window_s=float("nan")), "window: must be"),
        (
            Cutting(window_s=2, hop_s=3),
            r"hop: must be 0\.01 to 2 seconds \(the window, so that all is heard\), got 3",
        ),
        (Cutting(hop_s=0), "hop: must be"),
        (Cutting(annotations=studies, hop_s=1), "leave out window and hop"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            load_predictor(first, cutting=cutting)
    (finished.units / "0000-seed4" / "weights.safetensors").unlink()
    with pytest.raises(UnitResultError, match=r"0000-seed4/weights\.safetensors: no such weights"):
        load_predictor(first)
    new = StudyFolder.at(studies, "new").create(StudyConfig.model_validate(tiny_study(1)))
    with pytest.raises(
        NoConfigurationError, match=r"studies/new: no configuration has finished all .* has not begun"
    ):
        load_predictor(new)


def test_python_gets_a_pandas_table(studies: Path, trained_on: Recording) -> None:
    found = sweep.open("first", studies=str(studies)).predict([trained_on.path], seed=3)
    assert isinstance(found, pd.DataFrame)
    assert list(found.columns[:5]) == ["recording", "row", "start_s", "end_s", "answer"]
    assert found["row"].tolist() == ["cycle"] * len(trained_on.cycles) + ["recording"]
    assert found[["normal", "crackle", "wheeze", "both"]].sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-5)
    with pytest.raises(DataError, match="found nothing there"):
        sweep.open("first", studies=str(studies)).predict("gone.wav")
    study: Any = sweep.open("first", studies=str(studies))
    for arguments, complaint in (
        ({"audio": [3]}, "audio: must be a path, or several, got 3"),
        ({"audio": None}, "audio: must be a path, or several, got None"),
        ({"audio": "a.wav", "seed": "3"}, "seed: must be a whole number, got '3'"),
        ({"audio": "a.wav", "seed": True}, "seed: must be a whole number, got True"),
        # A study may have such a seed; this one has others.
        ({"audio": trained_on.path, "seed": -1}, "seed: must be one of 3, 4, which .*, got -1"),
        ({"audio": "a.wav", "window_s": True}, "window_s: must be a number of seconds, got True"),
        ({"audio": "a.wav", "annotations": 3}, "annotations: must be a path, got 3"),
    ):
        with pytest.raises(ConfigError, match=complaint):
            study.predict(**arguments)


def test_the_command_predicts_what_it_can_and_names_what_it_cannot(
    studies: Path,
    breath: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    shutil.copy(breath, folder / "good.wav")
    (folder / "torn.wav").write_bytes(breath.read_bytes()[:5000])
    soundfile.write(folder / "stereo.flac", np.zeros((8000, 2)), 4000)
    gone = tmp_path / "gone"
    options = ("--studies", studies, "--format", "json", "--output", tmp_path / "answers.json")
    assert respsweep(monkeypatch, "predict", "first", folder, gone, *options) == 1
    printed = capfd.readouterr()
    assert printed.out == ""
    errors = [line for line in printed.err.splitlines() if line.startswith("error: ")]
    assert [line.split(":")[1].strip() for line in errors] == [
        str(gone),
        str(folder / "stereo.flac"),
        str(folder / "torn.wav"),
    ]
    assert "not a medical device" in printed.err
    answers = json.loads((tmp_path / "answers.json").read_text())
    assert (answers["task"], answers["seeds"]) == ("icbhi", [3, 4])
    (only,) = answers["recordings"]
    assert only["recording"] == str(folder / "good.wav")


def test_each_format_comes_out_of_the_command(
    studies: Path,
    breath: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def out(*options: object) -> str:
        assert respsweep(monkeypatch, "predict", "first", breath, "--studies", studies, *options) == 0
        return capfd.readouterr().out

    table = out()
    assert "breath.wav" in table
    assert "whole" in table
    rows = out("--format", "csv", "--seed", 3).splitlines()
    assert rows[0] == "recording,row,start_s,end_s,answer,normal,crackle,wheeze,both"
    assert rows[-1].startswith(f"{breath},recording,0.0,")
    labels = out("--format", "audacity").splitlines()
    assert labels[0].startswith("0.000000\t8.000000\t")
    assert out("--format", "audacity", "--output", tmp_path / "labels") == ""
    assert (tmp_path / "labels" / "breath.labels.txt").read_text().splitlines() == labels
    arguments = ("predict", "first", breath, shutil.copy(breath, tmp_path / "b.wav"), "--studies", studies)
    assert respsweep(monkeypatch, *arguments, "--format", "audacity") == 1
    assert "--output: must be a folder for the labels of 2 recordings" in capfd.readouterr().err
    assert respsweep(monkeypatch, *arguments, "--output", breath) == 1
    assert "--output: must be another file than the recording" in capfd.readouterr().err
    assert respsweep(monkeypatch, *arguments, "--format", "csv", "--output", tmp_path / "gone" / "a.csv") == 1
    assert "--output: must lie in a folder that is there" in capfd.readouterr().err
