"""Batches trained in chunks: the same training but for rounding, where the network allows it."""

from pathlib import Path
from typing import Any

import pytest
import torch

from data.task import ICBHI
from model.training.checkpoint import load_checkpoint, save_checkpoint
from model.training.epoch_metrics import TrainingError
from model.training.training import Training
from tests.model.training.tiny_run import recipe, tones, without_time

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
