"""Gaussian smoothing of feature maps: the spectral-aware regularisation of Lung-SRAD."""

from __future__ import annotations

import functools

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from model.recipe_parts import Padding


def gaussian_kernel(kernel_size: int, sigma: float) -> Float[Tensor, " taps"]:
    """Compute float64 taps exp(-d^2 / (2 sigma^2)) at distance d from the centre, divided by their sum."""
    distance = torch.arange(kernel_size, dtype=torch.float64) - (kernel_size - 1) / 2
    taps = torch.exp(-(distance**2) / (2 * sigma**2))
    return taps / taps.sum()


def gaussian_smooth(
    x: Float[Tensor, "batch channels height width"],
    kernel_size: int,
    sigma: float,
    padding: Padding = "zeros",
) -> Float[Tensor, "batch channels height width"]:
    """Convolve each channel with a Gaussian of odd `kernel_size` along both axes (sizes and sigma in cells).

    With zeros beyond the border, cells near the border lose mass. Raises ValueError for an even `kernel_size`,
    and when the map is too small to `reflect`.

    Reference: Lung-SRAD, section 3.4, https://arxiv.org/abs/2606.11922
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
    taps = _taps(kernel_size, sigma, x.dtype, x.device).expand(channels, 1, -1)
    x = functional.conv2d(x, taps[..., None], padding=(inside, 0), groups=channels)
    return functional.conv2d(x, taps[..., None, :], padding=(0, inside), groups=channels)


@functools.lru_cache(maxsize=64)
def _taps(kernel_size: int, sigma: float, dtype: torch.dtype, device: torch.device) -> Float[Tensor, " taps"]:
    """The kernel where it is used: a copy to a GPU waits for all that is queued there, so there is one for all steps."""
    # What is made in inference mode could not be used in training afterwards.
    with torch.inference_mode(False):
        return gaussian_kernel(kernel_size, sigma).to(device, dtype)
