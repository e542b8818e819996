"""Gaussian smoothing of feature maps: the spectral-aware regularisation of Lung-SRAD."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from pydantic import Field, field_validator
from torch import Tensor
from torch.nn import functional

from data.settings import Config

Hook = Literal["scan_input", "scan_output", "op_output", "block_output"]
Padding = Literal["zeros", "replicate", "reflect"]


class SmoothingConfig(Config):
    """Gaussian low-pass on the feature maps of one DASS stage, always on (Lung-SRAD, section 3.4)."""

    stage: int | None = Field(
        default=2, ge=0, description="which stage; 0 is nearest the spectrogram; null: no smoothing"
    )
    blocks: tuple[int, ...] | None = Field(
        default=(2, 3),
        description="which blocks of the stage, from 0; those it lacks are passed over; all its blocks when "
        "none is left, and for null",
    )
    kernel_size: int = Field(default=5, ge=1, description="taps, in feature-map cells; odd")
    sigma: float = Field(default=3.0, gt=0, description="standard deviation, in feature-map cells")
    hook: Hook = Field(
        default="scan_output",
        description="what is smoothed: scan_output, the merged scan before its norm; scan_input, the map "
        "before the scan; op_output, the state-space branch before it is added; block_output, their sum",
    )
    padding: Padding = Field(default="zeros", description="what the kernel finds beyond the map's border")

    @field_validator("kernel_size")
    @classmethod
    def _has_a_centre(cls, kernel_size: int) -> int:
        if kernel_size % 2 == 0:
            raise ValueError(f"must be odd to have a centre, got {kernel_size}")
        return kernel_size

    @field_validator("blocks")
    @classmethod
    def _counts_from_zero(cls, blocks: tuple[int, ...] | None) -> tuple[int, ...] | None:
        if blocks and min(blocks) < 0:
            raise ValueError(f"blocks count from 0, got {min(blocks)}")
        return blocks

    def smooths(self, stage: int, block: int, depth: int) -> bool:
        """Whether block `block` of stage `stage`, which has `depth` blocks, is smoothed."""
        present = [index for index in self.blocks or () if index < depth]
        return stage == self.stage and (not present or block in present)


def gaussian_kernel(kernel_size: int, sigma: float) -> Float[Tensor, " taps"]:
    """Float64 taps exp(-d^2 / (2 sigma^2)) at distance d from the centre, divided by their sum."""
    distance = torch.arange(kernel_size, dtype=torch.float64) - (kernel_size - 1) / 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return taps / taps.sum()


def gaussian_smooth(
    x: Float[Tensor, "batch channels height width"],
    kernel_size: int,
    sigma: float,
    padding: Padding = "zeros",
) -> Float[Tensor, "batch channels height width"]:
    """Each channel convolved with a Gaussian of odd `kernel_size` along both axes.

    With zeros beyond the border, cells near it lose mass. Raises ValueError when the map is too small to
    `reflect`.
    """
    if kernel_size % 2 == 0:
        raise ValueError(f"kernel_size must be odd to have a centre, got {kernel_size}")
    reach = kernel_size // 2
    height, width = x.shape[2:]
    if padding == "reflect" and reach >= min(height, width):
        raise ValueError(
            f"reflect padding needs a map larger than {reach} cells each way for kernel_size {kernel_size}, "
            f"this one is {height} x {width}; use zeros or replicate"
        )
    inside = reach if padding == "zeros" else 0
    if padding != "zeros":
        x = functional.pad(x, (reach, reach, reach, reach), mode=padding)
    channels = x.shape[1]
    taps = gaussian_kernel(kernel_size, sigma).to(x).expand(channels, 1, -1)
    x = functional.conv2d(x, taps[..., None], padding=(inside, 0), groups=channels)
    return functional.conv2d(x, taps[..., None, :], padding=(0, inside), groups=channels)
