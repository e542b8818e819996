import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from data.task import ICBHI
from model.training import fit as fit_module
from model.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.training.epoch_metrics import TrainingError
from model.training.fit import PausedRunError, fit
from model.training.training import Training
from tests.model.training.tiny_run import recipe, tones, without_time


def test_a_tiny_network_learns_what_can_be_learnt() -> None:
    history = list(fit(recipe(epochs=6), 1, tones(48, 0), tones(16, 1), task=ICBHI))
    assert [metrics.epoch for metrics in history] == [1, 2, 3, 4, 5, 6]
    assert history[-1].train_loss < history[0].train_loss
    assert history[-1].score > 0.8
    assert sum(map(sum, history[-1].confusion)) == 16


def test_the_same_seed_gives_the_same_run_and_another_does_not() -> None:
    first, again, other = (
        without_time(list(fit(recipe(epochs=2), seed, tones(24, 0), tones(8, 1), task=ICBHI)))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first[-1].train_loss != other[-1].train_loss


@pytest.mark.parametrize(("name", "rho"), [("adamw", 0.05), ("sgd", 0.0)])
def test_an_interrupted_run_continues_bit_for_bit(tmp_path: Path, name: str, rho: float) -> None:
    settings = recipe(
        optimiser={"name": name, "learning_rate": 1e-3, "sam_rho": rho}, sampling={"name": "weighted"}
    )
    data = tones(24, 0), tones(8, 1)
    whole = Training(settings, 1, *data, task=ICBHI)
    for _ in range(3):
        whole.run_epoch()

    path = tmp_path / "checkpoint.pt"
    next(fit(settings, 1, *data, checkpoint=path, task=ICBHI))
    resumed = list(fit(settings, 1, *data, checkpoint=path, task=ICBHI))
    assert without_time(resumed) == without_time(whole.history)
    assert without_time(list(fit(settings, 1, *data, checkpoint=path, task=ICBHI))) == without_time(resumed)
    weights = load_checkpoint(path)["modules"]
    for key, value in whole.modules.state_dict().items():
        assert torch.equal(weights[key], value), key


def tear(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def scribble(path: Path) -> None:
    path.write_bytes(b"garbage" * 1000)


def spoil_both(path: Path) -> None:
    tear(path)
    scribble(path.with_name("checkpoint.previous.pt"))


@pytest.mark.parametrize(
    ("spoil", "note"),
    [
        (tear, r"not a readable checkpoint .*; going on from the one before it, checkpoint\.previous\.pt"),
        (Path.unlink, r"no such checkpoint; going on from the one before it"),
        (spoil_both, r"the run begins anew"),
    ],
)
def test_a_run_with_a_spoilt_checkpoint_ends_as_if_undisturbed(
    tmp_path: Path, spoil: Callable[[Path], None], note: str
) -> None:
    settings, data = recipe(), (tones(16, 0), tones(8, 1))
    whole = Training(settings, 1, *data, task=ICBHI)
    for _ in range(3):
        whole.run_epoch()

    path = tmp_path / "checkpoint.pt"
    run = fit(settings, 1, *data, checkpoint=path, task=ICBHI)
    assert [next(run).epoch, next(run).epoch] == [1, 2]
    spoil(path)
    with pytest.warns(UserWarning, match=note):
        resumed = list(fit(settings, 1, *data, checkpoint=path, task=ICBHI))
    assert without_time(resumed) == without_time(whole.history)
    saved = load_checkpoint(path)
    torch.testing.assert_close(saved["modules"], whole.modules.state_dict(), rtol=0, atol=0)
    torch.testing.assert_close(
        saved["optimiser"]["state"], whole.optimiser.state_dict()["state"], rtol=0, atol=0
    )


def test_a_whole_checkpoint_is_continued_without_a_word(tmp_path: Path) -> None:
    path, data = tmp_path / "checkpoint.pt", (tones(8, 0), tones(8, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        next(fit(recipe(epochs=1), 1, *data, checkpoint=path, task=ICBHI))
        assert len(list(fit(recipe(epochs=1), 1, *data, checkpoint=path, task=ICBHI))) == 1


def test_a_checkpoint_of_another_seed_or_recipe_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    data = tones(8, 0), tones(8, 1)
    next(fit(recipe(), 1, *data, checkpoint=path, task=ICBHI))
    with pytest.raises(CheckpointError, match=r"with seed 1; this run is recipe .* with seed 2"):
        next(fit(recipe(), 2, *data, checkpoint=path, task=ICBHI))
    with pytest.raises(CheckpointError, match="belongs to recipe"):
        next(fit(recipe(epochs=4), 1, *data, checkpoint=path, task=ICBHI))


def test_a_folder_is_no_place_for_a_checkpoint(tmp_path: Path) -> None:
    for folder in (tmp_path, Path()):
        with pytest.raises(CheckpointError, match="a folder; expected the name of a file"):
            next(fit(recipe(), 1, tones(8, 0), tones(8, 1), checkpoint=folder, task=ICBHI))


def test_a_loss_that_blows_up_ends_the_run_with_its_epoch() -> None:
    settings = recipe(optimiser={"name": "sgd", "learning_rate": 1e3, "weight_blend": 0})
    with pytest.raises(
        TrainingError, match=r"loss is (nan|inf) in epoch \d; try a lower optimiser.learning_rate"
    ):
        list(fit(settings, 1, tones(24, 0), tones(8, 1), task=ICBHI))


@pytest.mark.parametrize(
    ("group", "field", "value", "advice"),
    [
        ("optimiser", "sam_rho", 1e300, r"a lower optimiser\.sam_rho \(now 1e\+300\)"),
        ("patch_mix", "temperature", 1e-300, r"a higher patch_mix\.temperature \(now 1e-300\)"),
        ("patch_mix", "weight_time", 1e300, r"a lower patch_mix\.weight_time \(now 1e\+300\)"),
    ],
)
def test_advice_after_a_loss_that_blew_up_names_what_the_recipe_sets(
    group: str, field: str, value: float, advice: str
) -> None:
    settings = recipe(optimiser={"name": "sgd"})
    # Out of the bounds of a recipe: with what they allow, this small network does not blow up.
    beyond = getattr(settings, group).model_copy(update={field: value})
    with pytest.raises(TrainingError, match=advice):
        list(fit(settings.model_copy(update={group: beyond}), 1, tones(24, 0), tones(8, 1), task=ICBHI))


def test_saved_by_time_a_run_lacks_no_epoch_that_was_asked_for_last(tmp_path: Path) -> None:
    path, data = tmp_path / "checkpoint.pt", (tones(16, 0), tones(8, 1))
    for metrics in fit(recipe(epochs=3), 1, *data, task=ICBHI, checkpoint=path, checkpoint_minutes=1e6):
        assert not path.exists()
        if metrics.epoch == 2:
            break
    assert len(load_checkpoint(path)["history"]) == 2
    going_on = fit(recipe(epochs=3), 1, *data, task=ICBHI, checkpoint=path, checkpoint_minutes=1e6)
    whole = list(fit(recipe(epochs=3), 1, *data, task=ICBHI))
    assert without_time(list(going_on)) == without_time(whole)
    assert len(load_checkpoint(path)["history"]) == 3


def test_the_last_epoch_is_on_disk_before_it_is_told_of_also_when_it_was_time_to_save(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "checkpoint.pt"

    def slowly(path: Path, state: dict[str, Any]) -> None:
        time.sleep(0.5)
        save_checkpoint(path, state)

    monkeypatch.setattr(fit_module, "save_checkpoint", slowly)
    run = fit(
        recipe(epochs=1), 1, tones(16, 0), tones(8, 1), task=ICBHI, checkpoint=path, checkpoint_minutes=1e-9
    )
    next(run)
    assert len(load_checkpoint(path)["history"]) == 1
    assert list(run) == []


def test_a_run_that_is_told_to_pause_is_saved_in_its_epoch_and_goes_on_bit_for_bit(tmp_path: Path) -> None:
    path, data = tmp_path / "checkpoint.pt", (tones(16, 0), tones(8, 1))
    settings, asked = recipe(epochs=2, batch_size=4), iter([False] * 6 + [True])
    options: dict[str, Any] = {"task": ICBHI, "checkpoint": path, "checkpoint_minutes": 1e6}
    epochs = fit(settings, 1, *data, **options, pause=lambda: next(asked))
    assert next(epochs).epoch == 1
    with pytest.raises(PausedRunError, match=rf"^saved in epoch 2 of 2: {path}; training with this check"):
        next(epochs)
    begun = load_checkpoint(path)["begun"]
    assert begun["steps"] == 2
    going_on = fit(settings, 1, *data, **options, pause=lambda: False)
    whole = tmp_path / "whole.pt"
    expected = list(fit(settings, 1, *data, task=ICBHI, checkpoint=whole))
    assert without_time(list(going_on)) == without_time(expected)
    ours, theirs = (load_checkpoint(one)["modules"] for one in (path, whole))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_a_pause_without_a_checkpoint_is_refused() -> None:
    with pytest.raises(ValueError, match="only a run with a checkpoint"):
        list(fit(recipe(epochs=1), 1, tones(16, 0), tones(8, 1), task=ICBHI, pause=lambda: False))


def test_a_run_that_asks_for_cuda_graphs_where_there_are_none_says_so_and_is_another_in_nothing() -> None:
    data = tones(16, 0), tones(8, 1)
    plain = list(fit(recipe(epochs=1), 1, *data, task=ICBHI, device="cpu"))
    with pytest.warns(UserWarning, match="training steps are not replayed from a CUDA graph: .* has cpu"):
        asked = list(fit(recipe(epochs=1), 1, *data, task=ICBHI, device="cpu", cuda_graphs=True))
    assert without_time(asked) == without_time(plain)


def test_training_leaves_the_stored_features_alone() -> None:
    train = tones(16, 0)
    before = train.features.clone()
    list(fit(recipe(epochs=1), 1, train, tones(8, 1), task=ICBHI))
    assert torch.equal(train.features, before)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_training_on_a_gpu_learns_too() -> None:
    history = list(fit(recipe(epochs=6), 1, tones(48, 0), tones(16, 1), device="cuda", task=ICBHI))
    assert history[-1].score > 0.8


def test_a_run_on_other_data_is_never_taken_for_this_one(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    settings = recipe(epochs=1)
    list(fit(settings, 1, tones(16, 0), tones(8, 1), checkpoint=path, task=ICBHI))
    for data in ((tones(16, 2), tones(8, 1)), (tones(16, 0), tones(8, 2)), (tones(16, 0), tones(4, 1))):
        before = path.read_bytes()
        with pytest.raises(
            CheckpointError, match=r"checkpoint\.pt: the checkpoint was trained on other recordings"
        ):
            next(fit(settings, 1, *data, checkpoint=path, task=ICBHI))
        assert path.read_bytes() == before


def test_what_the_caller_calls_the_data_counts(tmp_path: Path) -> None:
    path, data, settings = tmp_path / "checkpoint.pt", (tones(16, 0), tones(8, 1)), recipe(epochs=1)
    once = list(fit(settings, 1, *data, checkpoint=path, data="recordings/folds", task=ICBHI))
    assert list(fit(settings, 1, *data, checkpoint=path, data="recordings/folds", task=ICBHI)) == once
    with pytest.raises(
        CheckpointError, match=r"other recordings or folds \(recordings/folds\) than this run"
    ):
        next(fit(settings, 1, *data, checkpoint=path, data="recordings/others", task=ICBHI))


def test_a_checkpoint_that_does_not_say_its_data_goes_on_with_a_warning(tmp_path: Path) -> None:
    path, data, settings = tmp_path / "checkpoint.pt", (tones(16, 0), tones(8, 1)), recipe(epochs=1)
    once = list(fit(settings, 1, *data, checkpoint=path, task=ICBHI))
    state = load_checkpoint(path)
    del state["data"]
    save_checkpoint(path, state)
    with pytest.warns(UserWarning, match="saved by an earlier version"):
        assert list(fit(settings, 1, *data, checkpoint=path, task=ICBHI)) == once
