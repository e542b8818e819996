"""Answers of a network from its weights on disk are those of the run that trained it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from data.task import ICBHI, TASKS
from model.training.prediction import load_network, predict
from model.training.training import Training
from model.weights_file import PretrainedError
from tests.model.training.tiny_run import SMALL, recipe, tones

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def trained() -> Training:
    run = Training(recipe(epochs=1), 1, tones(16, 0), tones(8, 1), task=ICBHI)
    run.run_epoch()
    return run


@pytest.fixture
def weights(trained: Training, tmp_path: Path) -> Path:
    tensors = {name: value.contiguous() for name, value in trained.model.state_dict().items()}
    save_file(tensors, tmp_path / "weights.safetensors")
    return tmp_path / "weights.safetensors"


def test_a_network_from_disk_answers_as_in_its_run(trained: Training, weights: Path) -> None:
    settings = recipe(epochs=1, backbone={**SMALL["backbone"], "pretrained": "gone.pth"})
    network = load_network(settings, ICBHI, weights, CPU)
    probabilities, answers = predict(network, tones(8, 1), settings, CPU)
    expected, labels = trained.predict(tones(8, 1))
    np.testing.assert_array_equal(probabilities, expected)
    np.testing.assert_array_equal(answers, labels)
    assert trained.probabilities is not None
    assert trained.probabilities.numpy().argmax(axis=1).tolist() == answers.tolist()


@pytest.mark.parametrize("name", ["ast", "beats"])
def test_a_network_with_low_rank_pairs_answers_as_in_its_run_where_its_pretrained_weights_are_gone(
    tmp_path: Path, name: str
) -> None:
    backbone = {"name": name, "variant": "tiny"}
    others = {"epochs": 1, "smoothing": {"stage": None}, "patch_mix": {"axes": []}}
    start = Training(recipe(backbone=backbone, **others), 2, tones(16, 0), tones(8, 1), task=ICBHI)
    save_file(start.model.state_dict(), tmp_path / "start.safetensors")
    adapted = {**backbone, "pretrained": str(tmp_path / "start.safetensors"), "lora": {"rank": 2}}
    run = Training(recipe(backbone=adapted, **others), 1, tones(16, 0), tones(8, 1), task=ICBHI)
    run.run_epoch()
    save_file(run.model.state_dict(), tmp_path / "weights.safetensors")
    (tmp_path / "start.safetensors").unlink()
    network = load_network(run.recipe, ICBHI, tmp_path / "weights.safetensors", CPU)
    probabilities, _ = predict(network, tones(8, 1), run.recipe, CPU)
    np.testing.assert_array_equal(probabilities, run.predict(tones(8, 1))[0])


def test_chunks_change_nothing_but_rounding(trained: Training, weights: Path) -> None:
    network = load_network(trained.recipe, ICBHI, weights, CPU)
    whole, _ = predict(network, tones(40, 2), trained.recipe, CPU)
    parts, _ = predict(network, tones(40, 2), trained.recipe, CPU, chunks=8)
    np.testing.assert_allclose(parts, whole, atol=1e-5)


def test_weights_of_another_task_are_refused(trained: Training, weights: Path) -> None:
    with pytest.raises(PretrainedError, match="of another shape"):
        load_network(trained.recipe, TASKS["1-2"], weights, CPU)
