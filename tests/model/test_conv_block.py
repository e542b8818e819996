"""The convolutional block against plain torch functions."""

import pytest
import torch
from torch.nn import functional

from model.conv_block import ConvBlock


@pytest.mark.parametrize(("height", "width"), [(8, 6), (7, 9), (2, 2)])
def test_a_block_convolves_normalises_rectifies_and_averages_whole_squares(height: int, width: int) -> None:
    block, x = ConvBlock(3, 4), torch.randn(5, 3, height, width)
    with torch.no_grad():
        block.bn1.weight.uniform_(0.5, 1.5)
        block.bn1.bias.uniform_(-1, 1)
    maps = functional.conv2d(x, block.conv1.weight, padding=2)
    mean, variance = maps.mean((0, 2, 3)), maps.var((0, 2, 3), correction=0)
    scale = block.bn1.weight / (variance + 1e-5).sqrt()
    maps = ((maps - mean[:, None, None]) * scale[:, None, None] + block.bn1.bias[:, None, None]).clamp(min=0)
    expected = torch.stack(
        [
            torch.stack([maps[:, :, i : i + 2, j : j + 2].mean((2, 3)) for j in range(0, width - 1, 2)], 2)
            for i in range(0, height - 1, 2)
        ],
        2,
    )
    torch.testing.assert_close(block(x), expected)


def test_maps_come_out_channels_last_also_after_weights_were_loaded() -> None:
    block = ConvBlock(3, 4)
    block.load_state_dict(ConvBlock(3, 4).state_dict())
    assert block(torch.randn(2, 3, 8, 8)).is_contiguous(memory_format=torch.channels_last)
