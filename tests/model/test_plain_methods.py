import numpy as np
import pytest
import torch

from data.batches import Examples
from model import plain_methods

CLASSES = 3


def clips(seed: int, cycles: int = 300) -> Examples:
    """Cycles whose class is told by the loudness of one band."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(cycles) % CLASSES
    features = torch.randn(cycles, 20, 8, generator=random)
    features[:, :, 5] += 2.0 * labels[:, None]
    return Examples(features, labels)


def test_statistics_are_those_of_each_band_over_time() -> None:
    examples = clips(0, cycles=4)
    found = plain_methods.statistics(examples).reshape(4, 5, 8)
    features = examples.features.numpy()
    assert found[:, 0] == pytest.approx(features.mean(1), abs=1e-6)
    assert found[:, 1] == pytest.approx(features.std(1, ddof=1), abs=1e-6)
    assert found[:, 2:].transpose(1, 0, 2) == pytest.approx(
        np.quantile(features, [0.1, 0.5, 0.9], axis=1), abs=1e-5
    )


@pytest.mark.parametrize("name", ["logistic regression", "random forest"])
def test_a_classifier_finds_what_a_band_tells_in_cycles_that_it_was_not_fitted_to(name: str) -> None:
    confusion = plain_methods.confusion(name, 1, clips(0), clips(1), CLASSES)
    assert confusion.sum(axis=1).tolist() == [100, 100, 100]
    assert np.trace(confusion) > 270


def test_always_normal_calls_every_cycle_normal() -> None:
    confusion = plain_methods.confusion("always normal", 1, clips(0), clips(1), CLASSES)
    assert confusion.tolist() == [[100, 0, 0], [100, 0, 0], [100, 0, 0]]


def test_only_examples_taken_are_looked_at() -> None:
    taken = clips(0).take(torch.tensor([7, 3]))
    assert len(plain_methods.statistics(taken)) == 2


def test_a_class_that_no_training_cycle_has_is_never_answered() -> None:
    train = clips(0).take(torch.arange(300)[torch.arange(300) % CLASSES != 1])
    found = plain_methods.fitted("logistic regression", 1, train, CLASSES)(clips(1))
    assert found.shape == (300, CLASSES)
    assert not found[:, 1].any()
    assert found.sum(1) == pytest.approx(1.0)


def test_statistics_of_many_cycles_are_those_of_each_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = plain_methods.statistics(clips(0))
    monkeypatch.setattr(plain_methods, "_CYCLES", 7)
    np.testing.assert_allclose(plain_methods.statistics(clips(0)), whole, atol=1e-6)
