"""Gaussian smoothing against golden/dass/gaussian and worked by hand."""

from typing import get_args

import pytest
import torch

from model import smoothing
from model.recipe_parts import Padding
from model.smoothing import gaussian_kernel, gaussian_smooth
from tests.goldens import Golden


@pytest.mark.parametrize("sigma", [1.0, 1.5, 3.0, 5.0])
@pytest.mark.parametrize("kernel_size", [1, 3, 5, 7, 9])
def test_kernels_are_the_published_ones(kernel_size: int, sigma: float) -> None:
    golden = Golden("dass/gaussian")
    expected = golden[f"kernel.K{kernel_size}.sigma{sigma}"]
    torch.testing.assert_close(gaussian_kernel(kernel_size, sigma), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("padding", get_args(Padding))
@pytest.mark.parametrize(("kernel_size", "sigma"), [(3, 1.0), (5, 3.0), (7, 1.5)])
def test_maps_and_gradients_are_the_published_ones(kernel_size: int, sigma: float, padding: Padding) -> None:
    golden = Golden("dass/gaussian")
    case = f"K{kernel_size}.sigma{sigma}.{padding}"
    x = golden["x"].requires_grad_()
    y = gaussian_smooth(x, kernel_size, sigma, padding)
    y.backward(golden["dy"])
    golden.check(f"y.{case}", y, atol=1e-9)
    torch.testing.assert_close(x.grad, golden[f"grad_x.{case}"], rtol=0, atol=1e-9)


def test_the_published_kernel_is_almost_flat() -> None:
    taps = gaussian_kernel(5, 3.0).tolist()
    assert taps == pytest.approx([0.1782, 0.2105, 0.2226, 0.2105, 0.1782], abs=1e-4)


def test_one_tap_changes_nothing() -> None:
    x = torch.randn(1, 2, 3, 4)
    assert torch.equal(gaussian_smooth(x, 1, 3.0), x)


def test_zeros_beyond_the_border_take_mass_from_a_corner() -> None:
    smoothed = gaussian_smooth(torch.ones(1, 1, 8, 8), 5, 3.0)
    assert smoothed[0, 0, 0, 0].item() == pytest.approx((0.2226 + 0.2105 + 0.1782) ** 2, abs=2e-4)
    assert smoothed[0, 0, 4, 4].item() == pytest.approx(1)


@pytest.mark.parametrize("padding", ["replicate", "reflect"])
def test_other_paddings_keep_a_constant_map_constant(padding: Padding) -> None:
    ones = torch.ones(1, 2, 4, 4)
    torch.testing.assert_close(gaussian_smooth(ones, 5, 3.0, padding), ones)


def test_a_channels_last_map_is_smoothed_the_same() -> None:
    x = torch.randn(2, 3, 8, 11)
    smoothed = gaussian_smooth(x.to(memory_format=torch.channels_last), 5, 3.0)
    torch.testing.assert_close(smoothed, gaussian_smooth(x, 5, 3.0))


def test_a_map_that_is_too_small_to_reflect_is_refused() -> None:
    with pytest.raises(ValueError, match=r"larger than 2 cells .* this one is 2 x 9; use zeros or replicate"):
        gaussian_smooth(torch.ones(1, 1, 2, 9), 5, 3.0, "reflect")


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="odd to have a centre, got 4"):
        gaussian_smooth(torch.ones(1, 1, 8, 8), 4, 3.0)


def test_a_kernel_that_was_first_used_without_gradients_serves_in_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made = []
    monkeypatch.setattr(
        smoothing, "gaussian_kernel", lambda *given: made.append(given) or gaussian_kernel(*given)
    )
    smoothing._taps.cache_clear()
    x = torch.ones(1, 2, 6, 6)
    with torch.inference_mode():
        gaussian_smooth(x, 3, 0.7)
    x.requires_grad_()
    gaussian_smooth(x, 3, 0.7).square().sum().backward()
    assert x.grad is not None
    assert made == [(3, 0.7)], "made once, and again neither for each step nor for each mode"
