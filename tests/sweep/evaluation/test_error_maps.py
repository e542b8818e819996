"""What the most confident errors rest on: whose map that is, where in the cycle it lies, and why there may be none."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.cycle_features import cycle_features
from data.recipe_parts import FeatureConfig
from data.settings import parse
from data.task import ICBHI
from model.attribution import attribution
from model.training.inputs import mean_baseline, network_input
from model.training.prediction import load_network, random_network
from model.training.recipe import Recipe
from sweep.driver.report import answers_told, report
from sweep.evaluation.best_answers import answers_of_best
from sweep.evaluation.error_maps import FRAMES, error_maps, map_method, over_cycle, padding_share
from sweep.folder.study_folder import StudyFolder
from sweep.report.page.facts import report_facts


@pytest.fixture(autouse=True)
def _few_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tell three wrong answers: each takes 32 passes forth and back, in the product and again in its test."""
    monkeypatch.setattr("sweep.evaluation.confident_errors.MOST", 3)


def cells_of(found: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(found["cells"]), np.uint8).reshape(found["bands"], found["frames"])


def features_of(**changes: Any) -> FeatureConfig:
    """Clips of 2 s at 4 kHz, with frames of 64 ms end to end: 31 of them."""
    content = {
        "sample_rate": 4000,
        "duration_s": 2,
        "n_mels": 4,
        "frame_length_ms": 64,
        "frame_shift_ms": 64,
        "target_frames": None,
    }
    return parse(FeatureConfig, {**content, **changes}, "test")


def test_a_map_is_the_attribution_of_the_answered_label_by_the_surest_network(first: StudyFolder) -> None:
    told = answers_told(first, sounds=True)
    found = answers_of_best(first)
    assert told["no_maps"] is None
    assert told["errors"]
    config = found.recipe.features
    for error in told["errors"]:
        shown = error["map"]
        (recording,) = (one for one in found.recordings.recordings if one.name == error["recording"])
        (position,) = (at for at, one in enumerate(recording.cycles) if one.start_s == error["start_s"])
        (row,) = np.flatnonzero(
            (np.array(found.bundle.cycles.recordings) == recording.name)
            & (np.array(found.bundle.cycles.positions) == position)
        )
        label = ICBHI.labels.index(error["answer"])
        by_seed = {seed: kept[row, label] for (_, seed), kept in found.bundle.predictions.items()}
        assert shown["seed_probability"] == max(by_seed.values()) == by_seed[shown["seed"]]
        assert shown["method"] == "integrated_gradients"
        weights = first.units / f"{found.configuration:04}-seed{shown['seed']}" / "weights.safetensors"
        network = load_network(found.recipe, ICBHI, weights, "cpu")
        (features,) = cycle_features(recording.path, [(error["start_s"], error["end_s"])], config)
        inputs = network_input(features[None], found.recipe)
        with torch.no_grad():
            assert float(network(inputs).softmax(1)[0, label]) == pytest.approx(
                shown["seed_probability"], abs=2e-3
            )
        shares = attribution(
            network,
            inputs,
            torch.tensor([label]),
            "integrated_gradients",
            mean_baseline(inputs, found.recipe),
        )[0]
        expected = over_cycle(
            shares.double().numpy(),
            config,
            error["end_s"] - error["start_s"],
            error["spectrogram"]["seconds"],
        )
        assert cells_of(shown) == pytest.approx(255 * expected / expected.max(), abs=0.51)
        assert shown["padding"] == 0


def test_maps_of_a_lost_seed_are_of_another_and_without_weights_a_line_says_so(first: StudyFolder) -> None:
    found = answers_of_best(first)
    number = found.configuration
    shutil.rmtree(first.units / f"{number:04}-seed1")
    maps, missing = error_maps(first, found)
    assert missing is None
    assert {one["seed"] for one in maps} == {2}
    shutil.rmtree(first.units / f"{number:04}-seed2")
    told = answers_told(first, sounds=True)
    assert {one["map"] for one in told["errors"]} == {None}
    assert "no such weights" in told["no_maps"]
    assert "\n" not in told["no_maps"]
    finding = report_facts(first, 0.0, (), told)["findings"]["errors"]
    assert f"There are no maps of what these answers rest on: {told['no_maps']}." in finding
    assert "no such weights" in Path(report(first, sounds=True)).read_text()


def test_damaged_weights_are_told_in_one_line(first: StudyFolder) -> None:
    found = answers_of_best(first)
    for seed in (1, 2):
        (first.units / f"{found.configuration:04}-seed{seed}" / "weights.safetensors").write_bytes(b"\n" * 99)
    maps, missing = error_maps(first, found)
    assert maps == []
    assert missing is not None
    assert "not a file of weights" in missing


def test_a_full_memory_leaves_errors_without_maps_and_a_fault_of_ours_is_raised(
    first: StudyFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = answers_of_best(first)
    for error, told in (
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (RuntimeError("shapes"), False),
    ):

        def fails(*_: Any, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr("sweep.evaluation.error_maps.attribution", fails)
        if told:
            assert error_maps(first, found) == ([], "OutOfMemoryError: CUDA out of memory.")
        else:
            with pytest.raises(RuntimeError, match="shapes"):
                error_maps(first, found)


@pytest.mark.parametrize("target", [None, 62])
def test_a_repeated_cycle_has_the_mean_of_its_repeats_where_they_are_heard(target: int | None) -> None:
    config = features_of(target_frames=target)
    # A cycle of 0.64 s, ten frames, is heard three times, and its first 80 ms a fourth time.
    shares = np.zeros((31, 2))
    shares[[3, 13, 23], 1] = 3.0, 6.0, 9.0
    shares[7, 0] = 3.0
    if target is not None:
        shares = shares.repeat(2, axis=0)
    found = over_cycle(shares, config, 0.64, 0.64)
    assert found.shape == (2, 10 if target is None else 20)
    of_frames = found.reshape(2, 10, -1).mean(axis=2)
    assert of_frames[1].argmax() == 3
    assert of_frames[0].argmax() == 7
    assert of_frames[1, 3] / of_frames[0, 7] == pytest.approx(18 / 3)
    assert of_frames[:, [0, 5, 9]] == pytest.approx(0)
    assert padding_share(shares, config, 0.64) == 0


def test_a_padded_cycle_has_its_middle_frames_and_silence_has_the_rest() -> None:
    config = features_of(padding="zeros")
    # One second in the middle of two: frames 8 to 22 have their middle in it.
    shares = np.zeros((31, 2))
    shares[[0, 15], 0] = 1.0, 3.0
    found = over_cycle(shares, config, 1.0, 1.0)
    assert found.shape == (2, 16)
    assert np.abs(found[0].argmax() - 7.5) <= 0.5
    assert found[1].max() == 0
    assert padding_share(shares, config, 1.0) == pytest.approx(1 / 4)
    assert padding_share(np.zeros((31, 2)), config, 1.0) == 0


def test_appended_frames_are_padding_and_a_cut_off_end_has_nothing() -> None:
    config = features_of(fill="raw_zero", norm="audioset", target_frames=40)
    shares = np.ones((40, 2))
    assert padding_share(shares, config, 4.0) == pytest.approx(9 / 40)
    found = over_cycle(shares, config, 4.0, 4.0)
    assert found[:, : found.shape[1] // 2 - 1] == pytest.approx(1)
    assert found[:, found.shape[1] // 2 + 1 :] == pytest.approx(0)


def test_a_map_of_a_long_cycle_has_few_cells_and_loses_no_peak() -> None:
    config = features_of(duration_s=10, frame_shift_ms=8)
    shares = np.zeros((config.frames, 2))
    shares[617, 0] = 1.0
    found = over_cycle(shares, config, 10.0, 10.0)
    assert found.shape == (2, FRAMES)
    assert found.sum() == pytest.approx(FRAMES / config.frames, rel=0.1)


@pytest.mark.parametrize(
    ("name", "method"),
    [
        ("cnn_tsa", "grad_cam"),
        ("dass", "integrated_gradients"),
        ("ast", "attention_rollout"),
        ("beats", "attention_rollout"),
    ],
)
def test_each_network_has_the_method_that_suits_it(name: str, method: str) -> None:
    content: dict[str, Any] = {
        "backbone": {"name": name, "variant": "tiny"},
        "smoothing": {"stage": None},
        "features": {"n_mels": 32, "frame_length_ms": 64, "frame_shift_ms": 64, "target_frames": 32},
    }
    assert map_method(random_network(parse(Recipe, content, "test"), ICBHI)) == method
