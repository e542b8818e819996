"""Curves of the layers of a study's networks, and the command that writes them."""

import csv
import dataclasses
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from data.errors import DataError
from data.recordings import read_recordings
from data.settings import ConfigError
from data.task import ICBHI
from model.spectral_response import dass_response
from model.training.prediction import random_network
from model.training.recipe import Recipe
from sweep.evaluation.predict import HeardRecording, Predictor, load_predictor
from sweep.evaluation.recordings_of import recordings_of
from sweep.evaluation.spectral_curves import chosen_layers, heard_cycles, spectral_curves
from sweep.folder.study_folder import StudyFolder
from tests.sweep.command_line import respsweep


@pytest.fixture
def breath(first: StudyFolder) -> Path:
    return read_recordings(recordings_of(first)).part("train")[3].path


def heard(predictor: Predictor, breath: Path, most: int) -> Tensor:
    cycles, refused = heard_cycles(predictor, [breath], most)
    assert cycles is not None
    assert refused == []
    return cycles


def test_a_curve_is_the_mean_over_cycles_and_networks_without_smoothing_and_with_it(
    first: StudyFolder, breath: Path
) -> None:
    predictor = load_predictor(first)
    cycles = heard(predictor, breath, 2)
    assert cycles.shape == (2, *predictor.recipe.features.input_shape)
    plain, smoothed = spectral_curves(predictor, cycles, [(2, 1)], "exact")
    assert (plain.layer, plain.smoothed, smoothed.smoothed) == ("2.1", False, True)
    by_network = [dass_response(network, cycles, 2, 1).mean(0) for network in predictor.networks]  # type: ignore[arg-type]
    expected = np.mean([curve.numpy() for curve in by_network], axis=0)
    assert smoothed.cells == len(expected)
    np.testing.assert_allclose(smoothed.response, expected[: len(expected) // 2 + 1], rtol=1e-5)
    assert not np.allclose(plain.response, smoothed.response, rtol=0.01)
    assert (smoothed.scaled.min(), smoothed.scaled.max()) == (0, 1)
    assert smoothed.frequencies[-1] == 0.5


def test_cycles_are_heard_as_far_as_asked_for_and_none_of_a_recording_that_breaks_off() -> None:
    recipe, opened = Recipe(), list[str]()

    def features(path: Path) -> Iterator[Tensor]:
        opened.append(path.name)
        yield torch.zeros(recipe.features.frames, recipe.features.n_mels)
        if path.name == "torn.wav":
            raise DataError("torn.wav: ends within a cycle")
        yield torch.ones(recipe.features.frames, recipe.features.n_mels)

    def hear(path: Path) -> HeardRecording:
        return HeardRecording(2.0, ((0.0, 1.0), (1.0, 2.0)), features(path))

    predictor: Any = SimpleNamespace(hear=hear, recipe=recipe, device=torch.device("cpu"))
    recordings = [Path(name) for name in ("torn.wav", "whole.wav", "never.wav")]
    cycles, refused = heard_cycles(predictor, recordings, 2)
    assert cycles is not None
    assert cycles.shape == (2, *recipe.input_shape)
    assert refused == ["torn.wav: ends within a cycle"]
    assert opened == ["torn.wav", "whole.wav"]
    assert heard_cycles(predictor, recordings[:1], 2) == (None, refused)


def test_layers_are_chosen_by_name_and_one_that_is_not_there_is_refused(
    first: StudyFolder, breath: Path
) -> None:
    predictor = load_predictor(first)
    cycles = heard(predictor, breath, 1)
    assert chosen_layers(predictor, cycles, ["2.0", "3.0"]) == [(2, 0), (3, 0)]
    assert chosen_layers(predictor, cycles, [])[-1] == (3, 0)
    with pytest.raises(ConfigError, match=r"--layer 7: dass tiny has no such layer; it has 0\.0, 1\.0, 2\.0"):
        chosen_layers(predictor, cycles, ["7"])


def test_another_mode_than_the_exact_one_is_of_scans_alone(first: StudyFolder, breath: Path) -> None:
    predictor = load_predictor(first)
    cycles = heard(predictor, breath, 1)
    features = predictor.recipe.features.model_dump() | {"norm": "audioset"}
    content = {"backbone": {"name": "ast", "variant": "tiny"}, "features": features}
    recipe = Recipe.model_validate({**content, "smoothing": {"stage": None}, "patch_mix": {"axes": []}})
    attends = dataclasses.replace(predictor, recipe=recipe, networks=[random_network(recipe, ICBHI)])
    assert len([*spectral_curves(attends, cycles, [(0,)], "exact")]) == 1
    with pytest.raises(ConfigError, match=r"--mode: no_dt is of the scans of dass, got ast tiny"):
        next(spectral_curves(attends, cycles, [(0,)], "no_dt"))


def test_the_command_writes_a_figure_and_every_number(
    first: StudyFolder, breath: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert spectral(first, breath, tmp_path, monkeypatch, "--layer", "2.0", "--layer", "3.0") == 0
    rows = list(csv.DictReader((tmp_path / "out" / "spectral.csv").open()))
    assert {(row["layer"], row["smoothed"]) for row in rows} == {
        (layer, smoothed) for layer in ("2.0", "3.0") for smoothed in ("false", "true")
    }
    assert all(float(row["response"]) >= 0 for row in rows)
    drawn = (tmp_path / "out" / "spectral.svg").read_text()
    assert "cycles a cell" in drawn
    assert "dass tiny" in drawn


def test_the_command_names_recordings_that_cannot_be_read_and_draws_the_others(
    first: StudyFolder,
    breath: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    given = tmp_path / "given"
    given.mkdir()
    (given / "a_torn.wav").write_bytes(breath.read_bytes()[:5000])
    shutil.copy(breath, given / "good.wav")
    sealed = read_recordings(recordings_of(first)).part("test")[0].path
    shutil.copy(sealed, given / "b_sealed.wav")
    assert spectral(first, given, tmp_path, monkeypatch, "--layer", "3.0") == 1
    errors = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert [line.split(":")[1].strip() for line in errors] == [
        str(given / "a_torn.wav"),
        str(given / "b_sealed.wav"),
    ]
    assert "dass tiny, seeds 3, 4, 1 cycles" in (tmp_path / "out" / "spectral.svg").read_text()


def test_the_command_writes_nothing_when_no_recording_can_be_read(
    first: StudyFolder,
    breath: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    torn = tmp_path / "torn.wav"
    torn.write_bytes(breath.read_bytes()[:5000])
    assert spectral(first, torn, tmp_path, monkeypatch) == 1
    assert f"error: {torn}: " in capfd.readouterr().err
    assert not (tmp_path / "out").exists()


def spectral(
    first: StudyFolder, audio: Path, place: Path, monkeypatch: pytest.MonkeyPatch, *options: str
) -> int:
    """The status with which the command draws one cycle into the folder `out` of `place`."""
    arguments = (first.name, audio, "--studies", first.studies, "--cycles", 1, "--output", place / "out")
    return respsweep(monkeypatch, "spectral", *arguments, *options)
