"""A block against golden/dass/tiny_io, and its branches left out at random."""

import pytest
import torch

from model.recipe_parts import SmoothingConfig
from model.smoothing import gaussian_smooth
from model.vss_block import VSSBlock, drop_samples
from tests.goldens import Golden


def test_the_first_block_gives_the_published_map() -> None:
    golden = Golden("dass/tiny_io")
    block = VSSBlock(16)
    block.load_state_dict(Golden("dass/tiny_state_dict").under("layers.0.blocks.0."))
    block = block.double().eval()
    y = block(golden["a.patch_embed"].permute(0, 2, 3, 1))
    golden.check("a.ss2d.block_out", y.permute(0, 3, 1, 2), atol=1e-9)


def test_a_block_smoothed_at_its_output_is_the_plain_block_smoothed() -> None:
    smoothing = SmoothingConfig(kernel_size=3, sigma=1.0, hook="block_output")
    plain, smoothed = VSSBlock(16), VSSBlock(16, smoothing=smoothing)
    smoothed.load_state_dict(plain.state_dict())
    x = torch.randn(2, 4, 6, 16)
    expected = gaussian_smooth(plain(x).permute(0, 3, 1, 2), 3, 1.0).permute(0, 2, 3, 1)
    torch.testing.assert_close(smoothed(x), expected)


def test_whole_samples_are_dropped_and_the_others_scaled() -> None:
    dropped = drop_samples(torch.ones(1000, 2, 3), 0.25, training=True)
    of_samples = dropped.flatten(1)
    assert torch.equal(of_samples, of_samples[:, :1].expand_as(of_samples))
    kept = of_samples[:, 0] != 0
    assert kept.double().mean().item() == pytest.approx(0.75, abs=0.05)
    torch.testing.assert_close(of_samples[kept, 0], torch.full((int(kept.sum()),), 4 / 3))


def test_nothing_is_dropped_in_use() -> None:
    x = torch.ones(10, 2)
    assert drop_samples(x, 0.5, training=False) is x
    assert drop_samples(x, 0.0, training=True) is x


def test_a_sample_whose_branches_are_dropped_passes_unchanged() -> None:
    block = VSSBlock(16, drop_path=0.999999).train()
    x = torch.randn(4, 2, 3, 16)
    assert torch.equal(block(x), x)
