"""Weights and predictions of a unit, as they are found again."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load

from data.task import ICBHI
from evidence.predictions import answers_of
from evidence.scores import confusion_matrix
from model.training.training import Training
from sweep.worker.unit_results import (
    UnitResultError,
    has_weights,
    keep_leaked,
    keep_results,
    read_leaked,
    read_predictions,
    read_weights,
)
from tests.model.training.tiny_run import recipe, tones


@pytest.fixture(scope="module")
def training() -> Training:
    training = Training(recipe(epochs=1), 1, tones(16, 0), tones(8, 1), task=ICBHI)
    training.run_epoch()
    return training


def test_what_is_kept_answers_as_the_unit_did(training: Training, tmp_path: Path) -> None:
    predictions = str(tmp_path / "predictions")
    keep_results(training, "0003-seed1", str(tmp_path / "units"), predictions)
    found = read_predictions(predictions, 3, 1)
    assert found is not None
    truth = training.validation.labels.numpy()
    assert confusion_matrix(truth, answers_of(found), 4).tolist() == training.history[-1].confusion
    again = Training(recipe(epochs=1), 2, tones(16, 0), tones(8, 1), task=ICBHI)
    again.model.load_state_dict(load(read_weights(str(tmp_path / "units"), 3, 1)))
    np.testing.assert_array_equal(
        again.predict(training.validation)[0], training.predict(training.validation)[0]
    )


def test_what_was_not_kept_is_not_there(tmp_path: Path, training: Training) -> None:
    keep_results(training, "0000-seed1", str(tmp_path / "units"), None)
    assert read_predictions(str(tmp_path / "predictions"), 0, 1) is None
    assert [has_weights(str(tmp_path / "units"), 0, seed) for seed in (1, 2)] == [True, False]
    with pytest.raises(UnitResultError, match=r"0000-seed2/weights.safetensors: no such weights"):
        read_weights(str(tmp_path / "units"), 0, 2)


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"no numbers"])
def test_a_damaged_file_of_predictions_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "0000-seed1.npy").write_bytes(content)
    with pytest.raises(UnitResultError, match=r"0000-seed1.npy: not the predictions of a unit"):
        read_predictions(str(tmp_path), 0, 1)


def test_the_epoch_that_stands_for_the_run_is_the_one_whose_answers_are_kept() -> None:
    last = Training(recipe(epochs=3), 1, tones(16, 0), tones(8, 1), task=ICBHI)
    best = Training(
        recipe(epochs=3, selection="best", min_sensitivity=0), 1, tones(16, 0), tones(8, 1), task=ICBHI
    )
    for run in (last, best):
        for _ in range(3):
            run.run_epoch()
        assert run.probabilities is not None
        chosen = max(run.history, key=lambda metrics: metrics.score) if run is best else run.history[-1]
        truth = run.validation.labels.numpy()
        kept = confusion_matrix(truth, answers_of(run.probabilities.numpy()), 4)
        assert kept.tolist() == chosen.confusion
    assert torch.is_tensor(last.state_dict()["probabilities"])


def test_an_epoch_that_is_answered_again_replaces_what_was_there(tmp_path: Path) -> None:
    answers = np.eye(4, dtype=np.float16)
    for epoch, kept in ((1, answers), (2, answers[::-1]), (1, answers[:, ::-1])):
        keep_leaked(str(tmp_path), "0003-seed1", epoch, kept)
    one, two = read_leaked(str(tmp_path), 3, 1, 2)
    np.testing.assert_array_equal(one, answers[:, ::-1])
    np.testing.assert_array_equal(two, answers[::-1])
    with pytest.raises(UnitResultError, match=r"0003-seed1/epoch-0003.npy: no such answers"):
        read_leaked(str(tmp_path), 3, 1, 3)
    (tmp_path / "0003-seed1" / "epoch-0002.npy").write_bytes(b"no numbers")
    with pytest.raises(UnitResultError, match=r"epoch-0002.npy: not the answers of a unit"):
        read_leaked(str(tmp_path), 3, 1, 2)
