import dataclasses
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from data.batches import Examples
from data.settings import ConfigError, parse
from model.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.training.fit import EpochMetrics, Training, TrainingError, fit, select_epoch
from model.training.recipe import Recipe

FRAMES, MELS = 40, 32
SMALL = {
    "backbone": {"name": "dass", "variant": "tiny", "drop_path_rate": 0.1},
    "features": {"target_frames": 32, "n_mels": MELS},
    "augment": {"time_width": 5, "frequency_width": 5},
    "optimiser": {"learning_rate": 3e-3, "weight_blend": 0.2},
    "smoothing": {"stage": 1, "kernel_size": 3},
    "batch_size": 8,
    "epochs": 3,
}


def recipe(**changes: object) -> Recipe:
    return parse(Recipe, {**SMALL, **changes}, "test")


def tones(cycles: int, seed: int) -> Examples:
    """Noise with a bright band whose height is the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(cycles) % 4
    features = 0.3 * torch.randn(cycles, FRAMES, MELS, generator=generator)
    for row, label in enumerate(labels.tolist()):
        features[row, :, 8 * label : 8 * label + 4] += 1
    return Examples(features, labels)


def without_time(history: list[EpochMetrics]) -> list[EpochMetrics]:
    return [dataclasses.replace(metrics, seconds=0.0) for metrics in history]


def test_a_tiny_network_learns_what_can_be_learnt() -> None:
    history = list(fit(recipe(epochs=6), 1, tones(48, 0), tones(16, 1)))
    assert [metrics.epoch for metrics in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].score > 0.8
    assert sum(map(sum, history[-1].confusion)) == 16


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    first, again, other = (
        without_time(list(fit(recipe(epochs=2), seed, tones(24, 0), tones(8, 1)))) for seed in (1, 1, 2)
    )
    assert first == again
    assert first[-1].train_loss != other[-1].train_loss


@pytest.mark.parametrize("name", ["adamw", "sgd"])
@pytest.mark.parametrize("rho", [0.0, 0.05])
def test_an_interrupted_run_continues_bit_for_bit(tmp_path: Path, name: str, rho: float) -> None:
    settings = recipe(
        optimiser={"name": name, "learning_rate": 1e-3, "sam_rho": rho}, sampling={"name": "weighted"}
    )
    data = tones(24, 0), tones(8, 1)
    whole = Training(settings, 1, *data)
    for _ in range(3):
        whole.run_epoch()

    path = tmp_path / "checkpoint.pt"
    next(fit(settings, 1, *data, checkpoint=path))
    resumed = list(fit(settings, 1, *data, checkpoint=path))
    assert without_time(resumed) == without_time(whole.history)
    assert without_time(list(fit(settings, 1, *data, checkpoint=path))) == without_time(resumed)
    weights = load_checkpoint(path)["modules"]
    for key, value in whole.modules.state_dict().items():
        assert torch.equal(weights[key], value), key


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def scribble(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def spoil_both(path: Path) -> None:
    tear(path)
    scribble(path.with_name("checkpoint.previous.pt"))


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (tear, r"not a readable checkpoint .*; going on from the one before it, checkpoint\.previous\.pt"),
        (flip_a_bit, r"not a readable checkpoint .*; going on from the one before it"),
        (scribble, r"not a readable checkpoint .*; going on from the one before it"),
        (Path.unlink, r"no such checkpoint; going on from the one before it"),
        (spoil_both, r"the run begins anew"),
    ],
)
def test_a_run_with_a_spoilt_checkpoint_ends_as_if_undisturbed(
    tmp_path: Path, spoil: Callable[[Path], None], note: str
) -> None:
    settings, data = recipe(), (tones(16, 0), tones(8, 1))
    whole = Training(settings, 1, *data)
    for _ in range(3):
        whole.run_epoch()

    path = tmp_path / "checkpoint.pt"
    run = fit(settings, 1, *data, checkpoint=path)
    assert [next(run).epoch, next(run).epoch] == [1, 2]
    spoil(path)
    with pytest.warns(UserWarning, match=note):
        resumed = list(fit(settings, 1, *data, checkpoint=path))
    assert without_time(resumed) == without_time(whole.history)
    saved = load_checkpoint(path)
    torch.testing.assert_close(saved["modules"], whole.modules.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(
        saved["optimiser"]["state"], whole.optimiser.state_dict()["state"], rtol=0, atol=0
    )


@pytest.mark.parametrize("after", [0, 1, 2])
@pytest.mark.parametrize("sam_rho", [0.0, 0.05])
def test_an_epoch_paused_in_its_middle_goes_on_elsewhere_bit_for_bit(
    tmp_path: Path, after: int, sam_rho: float
) -> None:
    settings = recipe(
        epochs=2,
        optimiser={"learning_rate": 1e-3, "sam_rho": sam_rho},
        patch_mix={"axes": ["time", "frequency"]},
    )
    data = tones(24, 0), tones(8, 1)
    whole = Training(settings, 1, *data)
    whole.run_epoch()
    whole.run_epoch()

    first = Training(settings, 1, *data)
    first.run_epoch()
    asked = iter([False] * after + [True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    assert first.epoch == 1
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())

    torch.manual_seed(99)
    second = Training(settings, 1, *data)
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    assert second.history == first.history
    metrics = second.run_epoch()
    assert without_time([metrics]) == without_time(whole.history[1:])
    for name, value in whole.modules.state_dict().items():
        assert torch.equal(second.modules.state_dict()[name], value), name
    assert second.state_dict()["begun"] is None


def test_an_epoch_paused_twice_goes_on_in_the_same_process() -> None:
    data = tones(24, 0), tones(8, 1)
    whole, paused = (Training(recipe(epochs=1), 1, *data) for _ in range(2))
    whole.run_epoch()
    for _ in range(2):
        asked = iter([False, True])
        assert paused.run_epoch_unless(lambda asked=asked: next(asked)) is None
    assert without_time([paused.run_epoch()]) == without_time(whole.history)


def test_a_whole_checkpoint_is_continued_without_a_word(tmp_path: Path) -> None:
    path, data = tmp_path / "checkpoint.pt", (tones(8, 0), tones(8, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(fit(recipe(epochs=1), 1, *data, checkpoint=path))
        assert len(list(fit(recipe(epochs=1), 1, *data, checkpoint=path))) == 1


def test_a_checkpoint_of_another_seed_or_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    data = tones(8, 0), tones(8, 1)
    next(fit(recipe(), 1, *data, checkpoint=path))
    with pytest.raises(CheckpointError, match=r"with seed 1; this run is recipe .* with seed 2"):
        next(fit(recipe(), 2, *data, checkpoint=path))
    with pytest.raises(CheckpointError, match="belongs to recipe"):
        next(fit(recipe(epochs=4), 1, *data, checkpoint=path))


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
        Training(recipe(**changes), 1, tones(13, 0), tones(8, 1), accumulate=chunks) for chunks in (1, 3, 50)
    ]
    start = {key: value.clone() for key, value in runs[0].modules.state_dict().items()}
    whole, *others = [run.run_epoch() for run in runs]
    after = runs[0].modules.state_dict()
    assert max(float((after[key] - start[key]).abs().max()) for key in start) > 1e-3
    for metrics, run in zip(others, runs[1:], strict=True):
        assert metrics.train_loss == pytest.approx(whole.train_loss, rel=1e-5)
        assert metrics.contrast == pytest.approx(whole.contrast, rel=1e-5)
        torch.testing.assert_close(run.modules.state_dict(), after, rtol=1e-4, atol=1e-5)


def test_in_bf16_too_chunks_only_round_differently() -> None:
    changes: dict[str, Any] = {**PLAIN, "precision": "bf16"}
    whole, chunked = (
        Training(recipe(**changes), 1, tones(8, 0), tones(8, 1), accumulate=chunks).run_epoch()
        for chunks in (1, 3)
    )
    assert chunked.train_loss == pytest.approx(whole.train_loss, rel=0.01)


def test_a_run_goes_on_with_another_number_of_chunks(tmp_path: Path) -> None:
    data = tones(16, 0), tones(8, 1)
    whole = Training(recipe(**PLAIN), 1, *data)
    whole.run_epoch()
    save_checkpoint(tmp_path / "checkpoint.pt", whole.state_dict())
    chunked = Training(recipe(**PLAIN), 1, *data, accumulate=4)
    chunked.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    expected, got = whole.run_epoch(), chunked.run_epoch()
    assert (got.epoch, got.confusion) == (2, expected.confusion)
    assert got.train_loss == pytest.approx(expected.train_loss, rel=1e-5)
    assert chunked.state_dict().keys() == whole.state_dict().keys()


def test_a_run_in_chunks_is_the_same_again_with_drop_path_too() -> None:
    first, again = (Training(recipe(), 1, tones(16, 0), tones(8, 1), accumulate=3) for _ in range(2))
    for run in (first, again):
        run.run_epoch()
    assert without_time(first.history) == without_time(again.history)
    torch.testing.assert_close(again.modules.state_dict(), first.modules.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("accumulate", "largest"), [(1, 32), (4, 8), (50, 1)])
def test_scoring_takes_smaller_batches_too(accumulate: int, largest: int) -> None:
    training = Training(recipe(epochs=1), 1, tones(8, 0), tones(40, 1), accumulate=accumulate)
    scored: list[int] = []
    training.model.register_forward_hook(lambda _, inputs, __: scored.append(len(inputs[0])))
    training.run_epoch()
    assert (max(scored), sum(scored)) == (largest, 40)


@pytest.mark.parametrize("accumulate", [0, -2])
def test_a_batch_has_at_least_one_chunk(accumulate: int) -> None:
    with pytest.raises(ValueError, match=rf"accumulate: .* 1 chunk or more, got {accumulate}"):
        Training(recipe(), 1, tones(8, 0), tones(8, 1), accumulate=accumulate)


def test_a_loss_that_blows_up_ends_the_run_with_its_epoch() -> None:
    settings = recipe(optimiser={"name": "sgd", "learning_rate": 1e30, "weight_blend": 0})
    with pytest.raises(TrainingError, match=r"loss is (nan|inf) in epoch \d"):
        list(fit(settings, 1, tones(24, 0), tones(8, 1)))


def test_validation_without_a_normal_or_an_abnormal_cycle_is_refused() -> None:
    one_kind = Examples(torch.zeros(3, FRAMES, MELS), torch.zeros(3, dtype=torch.long))
    with pytest.raises(TrainingError, match=r"3 normal and 0 abnormal"):
        Training(recipe(), 1, tones(8, 0), one_kind)


def test_too_few_cycles_for_a_batch_are_refused() -> None:
    with pytest.raises(TrainingError, match="7 training cycles do not fill one batch of 8"):
        Training(recipe(), 1, tones(7, 0), tones(8, 1))


def test_a_scan_engine_that_the_device_lacks_is_refused_before_training() -> None:
    settings = recipe(backbone={**SMALL["backbone"], "scan_engine": "mamba"})
    message = "backbone.scan_engine: the scan engine mamba runs on cuda, not on cpu; use auto"
    with pytest.raises(ConfigError, match=message):
        Training(settings, 1, tones(8, 0), tones(8, 1), device="cpu")


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
    first, second = (list(fit(recipe(epochs=1), 1, train, tones(8, 1))) for train in (stored, single))
    assert without_time(first) == without_time(second)


def test_nothing_reads_ahead_any_more_when_an_epoch_breaks_off(monkeypatch: pytest.MonkeyPatch) -> None:
    reading: list[int] = []

    def readers() -> int:
        return sum(thread.name.startswith("read-ahead") for thread in threading.enumerate())

    def broken(*_: object) -> None:
        reading.append(readers())
        raise RuntimeError("the device is gone")

    training = Training(recipe(), 1, tones(24, 0).to("cpu", ahead=True), tones(8, 1), device="cpu")
    monkeypatch.setattr("model.training.fit.optimise_step", broken)
    with pytest.raises(RuntimeError, match="the device is gone"):
        training.run_epoch()
    assert reading == [1]
    assert readers() == 0


def test_training_leaves_the_stored_features_alone() -> None:
    train = tones(16, 0)
    before = train.features.clone()
    list(fit(recipe(epochs=1), 1, train, tones(8, 1)))
    assert torch.equal(train.features, before)


def metrics(epoch: int, confusion: list[list[int]]) -> EpochMetrics:
    return EpochMetrics(epoch, 0.0, 0.0, {}, 0.0, 0, 0.0, confusion)


def test_the_last_epoch_stands_for_a_run_unless_the_best_is_asked_for() -> None:
    blind = [[8, 0, 0, 0], [4, 0, 0, 0], [2, 0, 0, 0], [2, 0, 0, 0]]
    good = [[6, 2, 0, 0], [1, 3, 0, 0], [1, 0, 1, 0], [1, 0, 0, 1]]
    poor = [[1, 7, 0, 0], [2, 2, 0, 0], [1, 0, 1, 0], [2, 0, 0, 0]]
    history = [metrics(1, blind), metrics(2, good), metrics(3, poor)]
    assert select_epoch(history, recipe()).epoch == 3
    assert select_epoch(history, recipe(selection="best")).epoch == 2
    assert select_epoch(history[:1], recipe(selection="best")).epoch == 1


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu_learns_too() -> None:
    history = list(fit(recipe(epochs=6), 1, tones(48, 0), tones(16, 1), device="cuda"))
    assert history[-1].score > 0.8


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_however_many_steps_an_epoch_has_it_waits_for_the_gpu_as_often() -> None:
    def waits(cycles: int) -> int:
        training = Training(recipe(epochs=2), 1, tones(cycles, 0), tones(16, 1), device="cuda")
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
    whole = Training(recipe(epochs=1), 1, *data, device="cuda")
    whole.run_epoch()
    first = Training(recipe(epochs=1), 1, *data, device="cuda")
    asked = iter([False, True])
    assert first.run_epoch_unless(lambda: next(asked)) is None
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    torch.cuda.manual_seed(99)
    second = Training(recipe(epochs=1), 1, *data, device="cuda")
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    # A GPU adds up in an order of its own.
    assert second.run_epoch().train_loss == pytest.approx(whole.history[0].train_loss, rel=1e-3)
