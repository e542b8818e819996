"""The convolutional block of PANNs' CNN6, which CNN-TSA and one stem of DASS are made of."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


class ConvBlock(nn.Module):
    """Convolution 5 x 5, batch norm, ReLU, and the mean of each 2 x 2 cells; an odd last row or column is left out.

    Attribute names are the keys of the published CNN6. Reference: Kong et al., "PANNs", Table 1,
    https://arxiv.org/abs/1912.10211
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 5, padding=2, bias=False)
        # CPUs convolve maps of few channels faster in this layout.
        nn.utils.convert_conv2d_weight_memory_format(self.conv1, torch.channels_last)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.pool = nn.AvgPool2d(2)

    def forward(
        self, x: Float[Tensor, "batch inputs height width"]
    ) -> Float[Tensor, "batch outputs half_height half_width"]:
        return self.pool(functional.relu(self.bn1(self.conv1(x))))
