"""A linear layer in every cell is a linear layer."""

import torch
from torch.nn import functional

from model.pointwise import Pointwise, pointwise


def test_it_is_a_linear_layer_forward_and_backward() -> None:
    layer = Pointwise(3, 5).double()
    x = torch.randn(2, 4, 6, 3, dtype=torch.float64, requires_grad=True)
    tensors = [x, layer.weight, layer.bias]
    expected = functional.linear(x, layer.weight, layer.bias)
    y = layer(x)
    torch.testing.assert_close(y, expected)
    dy = torch.randn_like(y)
    gradients = zip(
        torch.autograd.grad(y, tensors, dy), torch.autograd.grad(expected, tensors, dy), strict=True
    )
    for found, value in gradients:
        torch.testing.assert_close(found, value)


def test_its_output_can_be_read_channel_by_channel_without_a_copy() -> None:
    assert pointwise(torch.randn(2, 4, 6, 3), torch.randn(5, 3)).is_contiguous()


def test_its_weight_is_kept_as_a_matrix() -> None:
    assert {key: tuple(value.shape) for key, value in Pointwise(3, 5, bias=False).state_dict().items()} == {
        "weight": (5, 3)
    }
