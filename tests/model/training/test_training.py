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
from model.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.training.epoch_metrics import TrainingError
from model.training.training import Training
from model.variants import Stem
from tests.model.training.tiny_run import FRAMES, MELS, SMALL, recipe, tones, without_time


@pytest.mark.parametrize(
    ("after", "sam_rho", "stem"),
    [
        (0, 0.0, "layer_norm"),
        (1, 0.05, "layer_norm"),
        (1, 0.0, "batch_norm"),
        (2, 0.05, "batch_norm"),
        (0, 0.05, "conv_blocks"),
        (2, 0.0, "conv_blocks"),
    ],
)
def test_an_epoch_paused_in_its_middle_goes_on_elsewhere_bit_for_bit(
    tmp_path: Path, after: int, sam_rho: float, stem: Stem
) -> None:
    settings = recipe(
        backbone={"variant": "tiny", "drop_path_rate": 0.1, "stem": stem},
        epochs=2,
        optimiser={"learning_rate": 1e-3, "sam_rho": sam_rho},
        patch_mix={"axes": ["time", "frequency"]},
    )
    data = tones(24, 0), tones(8, 1)
    whole = Training(settings, 1, *data, task=ICBHI)
    whole.run_epoch()
    whole.run_epoch()

    first = Training(settings, 1, *data, task=ICBHI)
    first.run_epoch()
    asked = iter([False] * after + [True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    assert first.epoch == 1
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())

    torch.manual_seed(99)
    second = Training(settings, 1, *data, task=ICBHI)
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert second.history == first.history
    metrics = second.run_epoch()
    assert without_time([metrics]) == without_time(whole.history[1:])
    for name, value in whole.modules.state_dict().items():
        assert torch.equal(second.modules.state_dict()[name], value), name
    assert second.state_dict()["begun"] is None


def test_an_epoch_with_mixup_paused_in_its_middle_goes_on_with_the_pairs_and_shares_to_come(
    tmp_path: Path,
) -> None:
    settings = recipe(epochs=1, mixup={"alpha": 0.4}, patch_mix={"axes": []}, loss={"logit_adjustment": 0.5})
    data = tones(24, 0), tones(8, 1)
    whole, first, second = (Training(settings, 1, *data, task=ICBHI) for _ in range(3))
    whole.run_epoch()
    asked = iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert without_time([second.run_epoch()]) == without_time(whole.history)
    torch.testing.assert_close(second.modules.state_dict(), whole.modules.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("after", "changes"),
    [
        (1, {}),
        (2, {"optimiser": {"learning_rate": 1e-3, "sam_rho": 0.05}, "sampling": {"name": "weighted"}}),
        (1, {"backbone": {"variant": "tiny", "drop_path_rate": 0.1, "stem": "batch_norm"}}),
    ],
)
def test_an_epoch_with_losses_over_patients_and_devices_paused_in_its_middle_goes_on_bit_for_bit(
    tmp_path: Path, after: int, changes: dict[str, Any]
) -> None:
    settings = recipe(
        epochs=2,
        device_contrast={"weight": 1.0, "adversarial_weight": 0.5, "reversal": "ramp"},
        patient_alignment={"cohesion_weight": 5.0, "alignment_weight": 0.005},
        **changes,
    )
    data = tones(24, 0), tones(8, 1)
    whole, first, second = (Training(settings, 1, *data, task=ICBHI) for _ in range(3))
    whole.run_epoch()
    whole.run_epoch()
    first.run_epoch()
    asked = iter([False] * after + [True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    torch.manual_seed(99)
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert without_time([second.run_epoch()]) == without_time(whole.history[1:])
    torch.testing.assert_close(second.modules.state_dict(), whole.modules.state_dict(), rtol=0, atol=0)
    terms = whole.history[-1].terms
    assert whole.domain is not None
    assert terms.keys() == {*whole.domain.weights, "contrast_time", "contrast_frequency"}
    assert min(terms.values()) > 0
    heads = [name for name in whole.modules.state_dict() if name.startswith("domain.")]
    fresh = Training(settings, 1, *data, task=ICBHI).modules.state_dict()
    moved = [name for name in heads if not torch.equal(fresh[name], whole.modules.state_dict()[name])]
    assert moved == heads, "some head was not trained"


def test_waveforms_are_augmented_in_training_alone_and_an_epoch_so_paused_goes_on_with_the_draws_to_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    features = {"n_mels": MELS, "sample_rate": 4000, "duration_s": 0.42, "norm": "audioset"}
    features |= {"target_frames": 64, "fill": "raw_zero"}
    small = {
        "epochs": 1,
        "features": features,
        "backbone": {"name": "ast", "variant": "tiny", "dropout": 0.3},
    }
    small |= {"smoothing": {"stage": None}, "patch_mix": {"axes": []}}
    plain, settings = (
        recipe(**small, waveform_augment=changes) for changes in ({}, {"gain": 0.2, "noise": 1e-3})
    )
    assert settings.features.frames == FRAMES
    data = tones(24, 0), tones(8, 1)
    unchanged, whole, first, second = (
        Training(one, 1, *data, task=ICBHI) for one in (plain, settings, settings, settings)
    )
    np.testing.assert_array_equal(unchanged.predict(data[1])[0], whole.predict(data[1])[0])
    whole.run_epoch()
    asked = iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert without_time([second.run_epoch()]) == without_time(whole.history)

    # All other draws of the epoch are as without it; and every pass sees frames of raw zero at the end.
    inputs = []
    stem = unchanged.model.stem
    monkeypatch.setattr(unchanged.model, "stem", lambda x: inputs.append(x) or stem(x))
    assert without_time([unchanged.run_epoch()]) != without_time(whole.history)
    assert len(inputs) == 4
    assert all(x.shape[1:] == (64, MELS) and (x[:, FRAMES:] == x[0, -1, -1]).all() for x in inputs)
    monkeypatch.setattr("model.training.training.waveform_augment", lambda batch, *_: batch)
    again = Training(settings, 1, *data, task=ICBHI)
    assert without_time([again.run_epoch()]) == without_time(unchanged.history)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_beats_with_sam_and_patch_mix_paused_in_an_epoch_goes_on_bit_for_bit(
    tmp_path: Path, accumulate: int
) -> None:
    settings = recipe(
        backbone={"name": "beats", "variant": "tiny", "dropout": 0.2},
        smoothing={"stage": None},
        epochs=2,
        patch_mix={"axes": ["cells", "time", "frequency"]},
        optimiser={"learning_rate": 1e-3, "sam_rho": 0.05},
        sampling={"name": "weighted"},
    )
    data = tones(24, 0), tones(8, 1)
    whole, first, second = (Training(settings, 1, *data, task=ICBHI, accumulate=accumulate) for _ in range(3))
    assert set(whole.run_epoch().terms) == {"contrast_cells", "contrast_time", "contrast_frequency"}
    whole.run_epoch()
    first.run_epoch()
    asked = iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert without_time([second.run_epoch()]) == without_time(whole.history[1:])
    torch.testing.assert_close(second.modules.state_dict(), whole.modules.state_dict(), rtol=0, atol=0)


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


@pytest.mark.parametrize("name", ["ast", "beats"])
def test_low_rank_pairs_learn_beside_weights_that_stay_and_go_on_bit_for_bit(
    tmp_path: Path, name: str
) -> None:
    small = {
        "smoothing": {"stage": None},
        "epochs": 2,
        "optimiser": {"learning_rate": 3e-3, "sam_rho": 0.02, "weight_blend": 0.3},
    }
    data = tones(24, 0), tones(8, 1)
    start = Training(recipe(backbone={"name": name, "variant": "tiny"}, **small), 5, *data, task=ICBHI)
    save_checkpoint(tmp_path / "pretrained.pt", start.state_dict())
    backbone = {
        "name": name,
        "variant": "tiny",
        "pretrained": str(tmp_path / "pretrained.pt"),
        "lora": {"rank": 2},
    }
    settings = recipe(backbone=backbone, **small)
    data = tones(24, 0), tones(8, 1)
    whole, first, second = (Training(settings, 1, *data, task=ICBHI) for _ in range(3))
    trained = {id(one) for group in whole.optimiser.param_groups for one in group["params"]}
    assert trained == {id(one) for one in whole.modules.parameters() if one.requires_grad}
    before = {key: value.clone() for key, value in whole.model.state_dict().items()}
    whole.run_epoch()
    whole.run_epoch()
    after = whole.model.state_dict()
    for key, parameter in whole.model.named_parameters():
        assert torch.equal(after[key], before[key]) != parameter.requires_grad, key
    assert all(torch.equal(value, before[key]) for key, value in after.items() if key.endswith(".scale"))

    first.run_epoch()
    asked = iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert without_time([second.run_epoch()]) == without_time(whole.history[1:])
    torch.testing.assert_close(second.modules.state_dict(), whole.modules.state_dict(), rtol=0, atol=0)


def test_mixup_leaves_the_other_draws_of_an_epoch_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    plain, mixed = (
        Training(recipe(epochs=1, mixup={"alpha": alpha}), 1, tones(16, 0), tones(8, 1), task=ICBHI)
        for alpha in (0.0, 0.4)
    )
    monkeypatch.setattr("model.training.training.draw_mixup", lambda *_: None)
    assert without_time([mixed.run_epoch()]) == without_time([plain.run_epoch()])


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


def test_an_epoch_paused_twice_goes_on_in_the_same_process() -> None:
    data = tones(24, 0), tones(8, 1)
    whole, paused = (Training(recipe(epochs=1), 1, *data, task=ICBHI) for _ in range(2))
    whole.run_epoch()
    for _ in range(2):
        asked = iter([False, True])
        assert paused.run_epoch_unless(lambda asked=asked: next(asked)) is None
    assert without_time([paused.run_epoch()]) == without_time(whole.history)


PLAIN = {
    "backbone": {"name": "dass", "variant": "tiny"},  # tiny has no drop path
    "optimiser": {"name": "sgd", "learning_rate": 1e-2, "weight_blend": 0.2},
    "sampling": {"drop_last": False},
}


@pytest.mark.parametrize("backbone", ["dass", "ast"])
@pytest.mark.parametrize("sam_rho", [0.0, 0.05])
def test_training_in_chunks_is_training_but_for_rounding(backbone: str, sam_rho: float) -> None:
    changes: dict[str, Any] = {**PLAIN, "backbone": {"name": backbone, "variant": "tiny"}}
    changes["optimiser"] = {**PLAIN["optimiser"], "sam_rho": sam_rho}
    if backbone == "ast":
        changes["smoothing"] = {"stage": None}
    runs = [
        Training(recipe(**changes), 1, tones(13, 0), tones(8, 1), accumulate=chunks, task=ICBHI)
        for chunks in (1, 3, 50)
    ]
    start = {key: value.clone() for key, value in runs[0].modules.state_dict().items()}
    whole, *others = [run.run_epoch() for run in runs]
    after = runs[0].modules.state_dict()
    assert max(float((after[key] - start[key]).abs().max()) for key in start) > 1e-3
    for metrics, run in zip(others, runs[1:], strict=True):
        assert metrics.train_loss == pytest.approx(whole.train_loss, rel=1e-5)
        assert metrics.terms == pytest.approx(whole.terms, rel=1e-5)
        torch.testing.assert_close(run.modules.state_dict(), after, rtol=1e-4, atol=1e-5)


def test_in_bf16_too_chunks_only_round_differently() -> None:
    changes: dict[str, Any] = {**PLAIN, "precision": "bf16"}
    whole, chunked = (
        Training(recipe(**changes), 1, tones(8, 0), tones(8, 1), accumulate=chunks, task=ICBHI).run_epoch()
        for chunks in (1, 3)
    )
    assert chunked.train_loss == pytest.approx(whole.train_loss, rel=0.01)


def test_a_run_goes_on_with_another_number_of_chunks(tmp_path: Path) -> None:
    data = tones(16, 0), tones(8, 1)
    whole = Training(recipe(**PLAIN), 1, *data, task=ICBHI)
    whole.run_epoch()
    save_checkpoint(tmp_path / "checkpoint.pt", whole.state_dict())
    chunked = Training(recipe(**PLAIN), 1, *data, accumulate=4, task=ICBHI)
    chunked.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    expected, got = whole.run_epoch(), chunked.run_epoch()
    assert (got.epoch, got.confusion) == (2, expected.confusion)
    assert got.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
    assert chunked.state_dict().keys() == whole.state_dict().keys()


def test_a_run_in_chunks_is_the_same_again_with_drop_path_too() -> None:
    first, again = (
        Training(recipe(), 1, tones(16, 0), tones(8, 1), accumulate=3, task=ICBHI) for _ in range(2)
    )
    for run in (first, again):
        run.run_epoch()
    assert without_time(first.history) == without_time(again.history)
    torch.testing.assert_close(again.modules.state_dict(), first.modules.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("accumulate", "largest"), [(1, 32), (4, 8), (50, 1)])
def test_scoring_takes_smaller_batches_too(accumulate: int, largest: int) -> None:
    training = Training(recipe(epochs=1), 1, tones(8, 0), tones(40, 1), accumulate=accumulate, task=ICBHI)
    scored: list[int] = []
    training.model.register_forward_hook(lambda _, inputs, __: scored.append(len(inputs[0])))
    training.run_epoch()
    assert (max(scored), sum(scored)) == (largest, 40)


def test_a_network_with_batch_norm_after_its_stem_is_refused_in_chunks_before_it_trains() -> None:
    settings = recipe(backbone={"name": "cnn_tsa", "variant": "tiny"}, smoothing={"stage": None})
    data = tones(8, 0), tones(8, 1)
    assert Training(settings, 1, *data, task=ICBHI).epoch == 0
    with pytest.raises(TrainingError, match=r"in 4 chunks: CNNTSA has batch norm after its stem"):
        Training(settings, 1, *data, accumulate=4, task=ICBHI)


@pytest.mark.parametrize("accumulate", [0, -2])
def test_a_batch_has_at_least_one_chunk(accumulate: int) -> None:
    with pytest.raises(ValueError, match=rf"accumulate: .* 1 chunk or more, got {accumulate}"):
        Training(recipe(), 1, tones(8, 0), tones(8, 1), accumulate=accumulate, task=ICBHI)


def test_validation_without_a_normal_or_an_abnormal_cycle_is_refused() -> None:
    one_kind = Examples(torch.zeros(3, FRAMES, MELS), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TrainingError, match=r"3 normal and 0 abnormal"):
        Training(recipe(), 1, tones(8, 0), one_kind, task=ICBHI)


def test_too_few_cycles_for_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match="7 training cycles do not fill one batch of 8"):
        Training(recipe(), 1, tones(7, 0), tones(8, 1), task=ICBHI)


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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_a_gpu_too_a_paused_epoch_goes_on_in_another_process(tmp_path: Path) -> None:
    data = tones(24, 0), tones(8, 1)
    whole = Training(recipe(epochs=1), 1, *data, device="cuda", task=ICBHI)
    whole.run_epoch()
    first = Training(recipe(epochs=1), 1, *data, device="cuda", task=ICBHI)
    asked = iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    torch.cuda.manual_seed(99)
    second = Training(recipe(epochs=1), 1, *data, device="cuda", task=ICBHI)
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    # A GPU adds up in an order of its own.
    assert second.run_epoch().train_loss == pytest.approx(whole.history[0].train_loss, rel=1e-3)


def test_a_task_of_two_classes_has_two_answers() -> None:
    train, validation = (Examples(data.features, data.labels % 2) for data in (tones(16, 0), tones(8, 1)))
    training = Training(
        recipe(loss={"class_weights": "inverse_frequency"}, epochs=1), 1, train, validation, task=TASKS["1-1"]
    )
    metrics = training.run_epoch()
    assert metrics.task == "1-1"
    assert np.array(metrics.confusion).shape == (2, 2)
    assert metrics.score == score(np.array(metrics.confusion), "challenge")


def test_a_state_of_another_task_is_refused_and_one_without_is_icbhis() -> None:
    data = tones(16, 0), tones(8, 1)
    training = Training(recipe(), 1, *data, task=ICBHI)
    state = training.state_dict()
    with pytest.raises(CheckpointError, match=r"trained on task 1-2; this run is of task icbhi"):
        training.load_state_dict({**state, "task": "1-2"})
    training.run_epoch()
    past = training.state_dict()
    del past["task"], past["history"][0]["task"]
    again = Training(recipe(), 1, *data, task=ICBHI)
    again.load_state_dict(past)
    assert again.history == training.history


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
