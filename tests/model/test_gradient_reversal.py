import math

import pytest
import torch

from model.gradient_reversal import reversal_strength, reverse_gradient


def test_numbers_pass_and_gradients_turn_round() -> None:
    x = torch.tensor([1.0, -2.0], requires_grad=True)
    passed = reverse_gradient(x, 0.5)
    assert torch.equal(passed, x)
    (passed * torch.tensor([3.0, 4.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [-1.5, -2.0]


def test_a_strength_of_nothing_lets_no_gradient_through() -> None:
    x = torch.ones(3, requires_grad=True)
    reverse_gradient(x, 0.0).sum().backward()
    assert x.grad is not None
    assert not x.grad.any()


def test_the_ramp_rises_from_nothing_to_nearly_one() -> None:
    assert [reversal_strength("constant", progress) for progress in (0.0, 0.5, 1.0)] == [1.0, 1.0, 1.0]
    assert reversal_strength("ramp", 0.0) == 0.0
    assert reversal_strength("ramp", math.log(3) / 10) == pytest.approx(0.5)  # 2 / (1 + 1/3) - 1
    assert 0.9999 < reversal_strength("ramp", 1.0) < 1
