import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from data.augment import spec_augment
from data.recipe_parts import SpecAugmentConfig


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_frequency_masks_span_all_frames_and_hold_the_samples_mean() -> None:
    batch = torch.rand(8, 20, 30)
    config = SpecAugmentConfig(time_masks=0, frequency_masks=1, frequency_width=10)
    masked = spec_augment(batch, config, seeded())
    for before, after in zip(batch, masked, strict=True):
        changed = (before != after).any(dim=0)
        assert torch.allclose(after[:, changed], before.mean())
        assert torch.equal(after[:, ~changed], before[:, ~changed])
        assert changed.nonzero().flatten().diff().le(1).all()
        assert changed.sum() <= 9


def test_time_masks_span_all_bins_and_hold_the_mean_that_frequency_masks_left() -> None:
    # Frequency masks are drawn first, so one seed gives the same ones with and without time masks.
    batch = torch.rand(8, 40, 30)
    bands = spec_augment(batch, SpecAugmentConfig(time_masks=0), seeded())
    both = spec_augment(batch, SpecAugmentConfig(time_masks=2, time_width=20), seeded())
    for band_masked, masked in zip(bands, both, strict=True):
        changed = (band_masked != masked).any(dim=1)
        assert changed.any()
        assert torch.allclose(masked[changed], band_masked.mean())
        assert torch.equal(masked[~changed], band_masked[~changed])


def test_the_batch_itself_stays_as_it_is() -> None:
    batch = torch.rand(4, 50, 30)
    before = batch.clone()
    assert spec_augment(batch, SpecAugmentConfig(), seeded()) is not batch
    assert torch.equal(batch, before)


def test_a_seed_gives_the_same_masks_again() -> None:
    batch = torch.rand(4, 50, 30)
    first, again, other = (spec_augment(batch, SpecAugmentConfig(), seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_samples_are_masked_each_in_their_own_places() -> None:
    masked = spec_augment(torch.rand(1, 50, 30).repeat(6, 1, 1), SpecAugmentConfig(), seeded())
    assert len({sample.numpy().tobytes() for sample in masked}) == 6


@pytest.mark.parametrize("probability", [0.0, 0.3, 1.0])
def test_probability_is_the_share_of_samples_that_are_masked(probability: float) -> None:
    batch = torch.rand(2000, 6, 40)
    config = SpecAugmentConfig(probability=probability, time_masks=0, frequency_masks=8, frequency_width=20)
    changed = (spec_augment(batch, config, seeded()) != batch).flatten(1).any(dim=1)
    assert changed.float().mean().item() == pytest.approx(probability, abs=0.035)


def widths(batch: Tensor, masked: Tensor) -> Tensor:
    return (batch != masked).any(dim=1).sum(dim=1)


def test_widths_are_drawn_from_0_to_one_less_than_the_setting() -> None:
    batch = torch.rand(3000, 3, 40)
    config = SpecAugmentConfig(time_masks=0, frequency_masks=1, frequency_width=4)
    counts = torch.bincount(widths(batch, spec_augment(batch, config, seeded())))
    assert len(counts) == 4
    assert (counts / 3000 - 0.25).abs().max() < 0.04


def test_every_place_on_the_axis_can_be_masked() -> None:
    batch = torch.rand(500, 3, 10)
    config = SpecAugmentConfig(time_masks=0, frequency_masks=1, frequency_width=3)
    assert (spec_augment(batch, config, seeded()) != batch).any(dim=(0, 1)).all()


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 200), st.integers(0, 3))
def test_masks_wider_than_the_axis_leave_some_of_it(frames: int, mels: int, width: int, masks: int) -> None:
    config = SpecAugmentConfig(time_masks=0, frequency_masks=masks, frequency_width=width)
    batch = torch.rand(5, frames, mels)
    masked = spec_augment(batch, config, seeded())
    assert masked.shape == batch.shape
    if masks == 1:
        assert (widths(batch, masked) < mels).all()


def test_no_masks_change_nothing() -> None:
    batch = torch.rand(4, 50, 30)
    assert torch.equal(
        spec_augment(batch, SpecAugmentConfig(time_masks=0, frequency_masks=0), seeded()), batch
    )


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_masks_the_same_places() -> None:
    batch = torch.rand(4, 50, 30)
    on_gpu = spec_augment(batch.cuda(), SpecAugmentConfig(), seeded())
    assert on_gpu.is_cuda
    assert torch.allclose(on_gpu.cpu(), spec_augment(batch, SpecAugmentConfig(), seeded()), atol=1e-6)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_masking_does_not_wait_for_the_gpu() -> None:
    batch = torch.rand(4, 50, 30, device="cuda")
    torch.cuda.set_sync_debug_mode("error")
    try:
        spec_augment(batch, SpecAugmentConfig(), seeded())
    finally:
        torch.cuda.set_sync_debug_mode("default")
