from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from model import layer_norm_triton
from model.layer_norm_check import TOLERANCE, norm_error

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def test_the_kernels_are_within_the_tolerance_which_half_precision_alone_uses() -> None:
    # Triton's interpreter cuts numbers off, which is twice as far off as rounding them.
    assert 1e-4 < norm_error(DEVICE) < 0.9 * TOLERANCE


@pytest.mark.parametrize("place", range(3))
def test_a_gradient_that_is_wrong_is_found(monkeypatch: pytest.MonkeyPatch, place: int) -> None:
    gradients: Callable[..., tuple[Tensor, ...]] = layer_norm_triton._gradients

    def wrong(*given: Any) -> tuple[Tensor, ...]:
        return tuple(one * (1.03 if i == place else 1) for i, one in enumerate(gradients(*given)))

    monkeypatch.setattr(layer_norm_triton, "_gradients", wrong)
    assert norm_error(DEVICE) > TOLERANCE


def test_kernels_that_fail_raise(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> None:
        raise RuntimeError("no C compiler")

    monkeypatch.setattr(layer_norm_triton, "_normalised", fails)
    with pytest.raises(RuntimeError, match="no C compiler"):
        norm_error(DEVICE)


def test_a_value_that_is_none_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoilt(*given: Any) -> tuple[Tensor, ...]:
        y, means, scales = normalised(*given)
        return y.index_fill(0, torch.tensor([7], device=y.device), torch.nan), means, scales

    normalised: Callable[..., tuple[Tensor, ...]] = layer_norm_triton._normalised
    monkeypatch.setattr(layer_norm_triton, "_normalised", spoilt)
    assert not norm_error(DEVICE) <= TOLERANCE
