"""A training step of a network with batch norm after its stem, whose passes may not share their statistics."""

import copy

import pytest
import torch
from torch import Tensor, nn

from model.projector import Projector
from model.recipe_parts import PatchMixConfig
from model.training.epoch_metrics import TrainingError
from model.training.step import objective
from tests.model.training.steps import ALL_AXES, LABELS, SHAPE, half_mixed


class NormalisesBatches(nn.Module):
    """A backbone with batch norm in its stem and after it."""

    feature_dim = 3

    def __init__(self) -> None:
        super().__init__()
        self.stem_layers = nn.Sequential(nn.Conv2d(1, 2, 4, stride=4), nn.BatchNorm2d(2))
        self.body = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU())
        self.head = nn.Linear(3, 4)

    def grid(self, frames: int, mels: int) -> tuple[int, int]:
        return mels // 4, frames // 4

    def stem(self, x: Tensor) -> Tensor:
        return self.stem_layers(x.transpose(1, 2)[:, None])

    def forward_grid(self, grid: Tensor) -> Tensor:
        return self.body(grid).mean((2, 3))

    def classify(self, features: Tensor) -> Tensor:
        return self.head(features)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.forward_grid(self.stem(x)))


@pytest.fixture
def normalises_batches() -> NormalisesBatches:
    torch.manual_seed(4)
    return NormalisesBatches().double().train()


@pytest.mark.parametrize("form", ["reference", "paper", "paper_inverse"])
def test_with_batch_norm_after_the_stem_the_clean_pass_alone_makes_the_running_statistics(
    form: str, normalises_batches: NormalisesBatches
) -> None:
    plain = copy.deepcopy(normalises_batches)
    inputs = torch.randn(5, *SHAPE, dtype=torch.float64)
    losses = objective(plain, None, inputs, LABELS[:5], [], PatchMixConfig(axes=()))
    projector = Projector(3).double()
    mixes = half_mixed(normalises_batches, ALL_AXES, 5)
    config = PatchMixConfig(axes=ALL_AXES, form=form)  # pyright: ignore[reportArgumentType]
    mixed = objective(normalises_batches, projector, inputs, LABELS[:5], mixes, config)
    torch.testing.assert_close(mixed.cross_entropy, losses.cross_entropy, rtol=1e-12, atol=0)
    expected = dict(plain.named_buffers())
    assert expected["body.1.num_batches_tracked"] == 1
    for key, value in normalises_batches.named_buffers():
        assert torch.equal(value, expected[key]), key


def test_with_batch_norm_after_the_stem_each_mixed_pass_has_its_own_statistics(
    normalises_batches: NormalisesBatches,
) -> None:
    inputs = torch.randn(5, *SHAPE, dtype=torch.float64)
    seen: list[Tensor] = []
    normalises_batches.body[1].register_forward_hook(lambda *called: seen.append(called[-1]))
    mixes = half_mixed(normalises_batches, ALL_AXES, 5)
    objective(
        normalises_batches,
        Projector(3).double(),
        inputs,
        LABELS[:5],
        mixes,
        PatchMixConfig(axes=ALL_AXES),
    ).total.backward()
    assert len(seen) == 4
    for normalised in seen:
        channels = normalised.transpose(0, 1).flatten(1)
        torch.testing.assert_close(channels.mean(1), torch.zeros(3).double(), rtol=0, atol=1e-12)
        torch.testing.assert_close(channels.var(1, correction=0), torch.ones(3).double(), rtol=0, atol=1e-3)


def test_batch_norm_after_the_stem_refuses_chunks(normalises_batches: NormalisesBatches) -> None:
    inputs = torch.randn(6, *SHAPE, dtype=torch.float64)
    said = "in 3 chunks: NormalisesBatches has batch norm after its stem, .* take a smaller batch_size"
    with pytest.raises(TrainingError, match=said):
        objective(normalises_batches, None, inputs, LABELS[:6], [], PatchMixConfig(axes=()), accumulate=3)
