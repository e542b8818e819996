"""An epoch that was paused in its middle goes on, here or elsewhere, as if it had not been."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from data.task import ICBHI
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.training import Training
from model.variants import Stem
from tests.model.training.tiny_run import FRAMES, MELS, recipe, tones, without_time


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


def test_an_epoch_paused_twice_goes_on_in_the_same_process() -> None:
    data = tones(24, 0), tones(8, 1)
    whole, paused = (Training(recipe(epochs=1), 1, *data, task=ICBHI) for _ in range(2))
    whole.run_epoch()
    for _ in range(2):
        asked = iter([False, True])
        assert paused.run_epoch_unless(lambda asked=asked: next(asked)) is None
    assert without_time([paused.run_epoch()]) == without_time(whole.history)


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
