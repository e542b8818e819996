"""A block against golden/dass/tiny_io, and its branches scaled by sample."""

import torch

from model.recipe_parts import SmoothingConfig
from model.smoothing import gaussian_smooth
from model.vss_block import VSSBlock
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


def test_each_samples_branches_are_multiplied_by_its_scales() -> None:
    block, x = VSSBlock(16).double(), torch.randn(3, 2, 3, 16, dtype=torch.float64)
    scales = torch.tensor([[0.0, 2.0, 1.0], [0.0, 0.0, 3.0]], dtype=torch.float64)
    y = block(x, scales)
    assert torch.equal(y[0], x[0])
    mixed = block.op(block.norm(x))
    torch.testing.assert_close(y[1], x[1] + 2 * mixed[1])
    between = x[2] + mixed[2]
    torch.testing.assert_close(y[2], between + 3 * block.mlp(block.norm2(between[None]))[0])
    assert torch.equal(block(x), block(x, torch.ones(2, 3, dtype=torch.float64)))
