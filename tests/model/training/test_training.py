import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.batches import Examples
from data.settings import ConfigError
from data.task import ICBHI, TASKS
from evidence.scores import score
from model.training.checkpoint import save_checkpoint
from model.training.epoch_metrics import TrainingError
from model.training.training import Training
from tests.model.training.tiny_run import FRAMES, MELS, SMALL, recipe, tones, without_time


def test_a_beats_fits_the_tones_that_it_hears() -> None:
    settings = recipe(
        backbone={"name": "beats", "variant": "tiny"},
        smoothing={"stage": None},
        patch_mix={"axes": []},
        augment={"probability": 0.0},
        optimiser={"learning_rate": 1e-3, "weight_blend": 0.0},
        epochs=8,
    )
    training = Training(settings, 1, tones(64, 0), tones(16, 1), task=ICBHI)
    losses = [training.run_epoch().train_loss for _ in range(8)]
    assert losses[-1] < 0.4 * losses[0], losses


@pytest.mark.parametrize(
    "changes",
    [
        {"mixup": {"alpha": 0.4}},
        {"loss": {"focal_gamma": 2.0}},
        {"loss": {"logit_adjustment": 1.0}},
        {"loss": {"class_weights": "inverse_frequency", "class_weight_power": 0.5}},
        {"optimiser": {"learning_rate": 3e-3, "weight_blend": 0.2, "warmup_epochs": 1}},
        {"backbone": {"variant": "tiny", "pooling": "mean_max"}},
        {"device_contrast": {"weight": 1.0}},
        {"device_contrast": {"weight": 1.0, "views": 1, "reversed": True}},
        {"device_contrast": {"adversarial_weight": 1.0}},
        {"patient_alignment": {"cohesion_weight": 5.0, "alignment_weight": 0.005}},
    ],
)
def test_each_way_of_training_changes_what_is_trained_and_stays_finite(changes: dict[str, Any]) -> None:
    train = tones(16, 0)
    uneven = replace(train, labels=torch.where(train.labels == 3, 0, train.labels))
    plain, changed = (
        Training(recipe(**settings), 1, uneven, tones(8, 1), task=ICBHI) for settings in ({}, changes)
    )
    metrics = changed.run_epoch()
    assert np.isfinite(metrics.train_loss)
    assert metrics.train_loss != plain.run_epoch().train_loss or metrics.learning_rate == 1.5e-3


def test_validation_without_a_normal_or_an_abnormal_cycle_is_refused() -> None:
    one_kind = Examples(torch.zeros(3, FRAMES, MELS), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TrainingError, match=r"3 normal and 0 abnormal"):
        Training(recipe(), 1, tones(8, 0), one_kind, task=ICBHI)


def test_too_few_cycles_for_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match="7 training cycles cannot fill one batch of 8"):
        Training(recipe(), 1, tones(7, 0), tones(8, 1), task=ICBHI)
    with pytest.raises(TrainingError, match="1 training cycle cannot fill one batch of 2"):
        Training(recipe(sampling={"drop_last": False}), 1, tones(1, 0), tones(8, 1), task=ICBHI)


def test_a_scan_engine_that_the_device_lacks_is_refused_before_training() -> None:
    settings = recipe(backbone={**SMALL["backbone"], "scan_engine": "mamba"})
    message = "backbone.scan_engine: the scan engine mamba runs on cuda, not on cpu; use auto"
    with pytest.raises(ConfigError, match=message):
        Training(settings, 1, tones(8, 0), tones(8, 1), device="cpu", task=ICBHI)


def half(examples: Examples) -> Examples:
    return Examples(examples.features.half(), examples.labels)


@pytest.mark.parametrize("sampling", ["shuffle", "weighted"])
def test_batches_read_ahead_train_the_same_to_the_bit(sampling: str) -> None:
    settings = recipe(epochs=2, sampling={"name": sampling, "drop_last": False})
    at_once, ahead = (
        Training(
            settings,
            1,
            half(tones(21, 0)).to("cpu", ahead=ahead),
            tones(40, 1).to("cpu", ahead=ahead),
            device="cpu",
            task=ICBHI,
        )
        for ahead in (False, True)
    )
    for run in (at_once, ahead):
        run.run_epoch()
        run.run_epoch()
    assert without_time(ahead.history) == without_time(at_once.history)
    torch.testing.assert_close(ahead.modules.state_dict(), at_once.modules.state_dict(), rtol=0, atol=0)


def test_half_precision_features_train_as_their_float32_values_do() -> None:
    stored = half(tones(16, 0))
    single = Examples(stored.features.float(), stored.labels)
    first, second = (
        Training(recipe(epochs=1), 1, train, tones(8, 1), task=ICBHI).run_epoch()
        for train in (stored, single)
    )
    assert without_time([first]) == without_time([second])


def test_nothing_reads_ahead_any_more_when_an_epoch_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    reading: list[int] = []

    def readers() -> int:
        return sum(thread.name.startswith("read-ahead") for thread in threading.enumerate())

    def broken(*_: object) -> None:
        reading.append(readers())
        raise RuntimeError("the device is gone")

    training = Training(
        recipe(), 1, tones(24, 0).to("cpu", ahead=True), tones(8, 1), device="cpu", task=ICBHI
    )
    monkeypatch.setattr("model.training.training.optimise_step", broken)
    with pytest.raises(RuntimeError, match="the device is gone"):
        training.run_epoch()
    assert reading == [1]
    assert readers() == 0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_however_many_steps_an_epoch_has_it_waits_for_the_gpu_as_often() -> None:
    def waits(cycles: int) -> int:
        training = Training(recipe(epochs=2), 1, tones(cycles, 0), tones(16, 1), device="cuda", task=ICBHI)
        training.run_epoch()
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            torch.cuda.set_sync_debug_mode("warn")
            try:
                training.run_epoch()
            finally:
                torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(warning.message) for warning in seen)

    assert waits(64) == waits(16) > 0


def test_a_task_of_two_classes_has_two_answers() -> None:
    train, validation = (Examples(data.features, data.labels % 2) for data in (tones(16, 0), tones(8, 1)))
    training = Training(
        recipe(loss={"class_weights": "inverse_frequency"}, epochs=1), 1, train, validation, task=TASKS["1-1"]
    )
    metrics = training.run_epoch()
    assert metrics.task == "1-1"
    assert np.array(metrics.confusion).shape == (2, 2)
    assert metrics.score == score(np.array(metrics.confusion), "challenge")


@pytest.mark.parametrize("backbone", ["dass", "ast", "cnn_tsa"])
def test_a_run_begins_with_the_network_that_a_run_on_another_task_saved(
    tmp_path: Path, backbone: str
) -> None:
    settings = {"backbone": {"name": backbone, "variant": "tiny"}, "smoothing": {"stage": None}}
    data = tones(16, 0), tones(8, 1)
    first = Training(recipe(**settings, epochs=1), 1, *data, task=TASKS["1-2"])
    first.run_epoch()
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    settings["backbone"]["pretrained"] = str(tmp_path / "checkpoint.pt")
    second = Training(recipe(**settings), 2, *data, task=ICBHI)
    x = torch.randn(2, FRAMES, MELS)
    features = [run.model.eval().forward_grid(run.model.stem(x)) for run in (first, second)]
    assert torch.equal(*features)
    assert [run.model.classify(features[0]).shape[1] for run in (first, second)] == [7, 4]
