import pytest
import torch
from torch import Tensor, nn

from model.dass import DASS
from model.weight_casts import casting_weights_together


def network() -> DASS:
    torch.manual_seed(1)
    return DASS((1, 1), (16, 32), scan_engine="reference").train()


def loss_and_gradients(
    model: DASS, x: Tensor, *, together: bool, twice: bool = False
) -> tuple[Tensor, dict[str, Tensor | None]]:
    """Train on one batch under autocast; `twice`: each weight is used by two passes."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16):
        if together:
            with casting_weights_together(model):
                answers = model(x) + (model(x.flip(0)) if twice else 0)
        else:
            answers = model(x) + (model(x.flip(0)) if twice else 0)
    loss = answers.float().square().mean()
    loss.backward()
    return loss.detach(), {name: weight.grad for name, weight in model.named_parameters()}


@pytest.mark.parametrize("twice", [False, True])
def test_losses_and_gradients_are_those_of_autocast_bit_for_bit(twice: bool) -> None:
    model, x = network(), torch.randn(3, 32, 32)
    own, gradients = loss_and_gradients(model, x, together=False, twice=twice)
    gradients = {name: gradient.clone() for name, gradient in gradients.items() if gradient is not None}
    together, others = loss_and_gradients(model, x, together=True, twice=twice)
    assert torch.equal(own, together)
    assert gradients.keys() == others.keys()
    for name, gradient in gradients.items():
        other = others[name]
        assert other is not None
        assert other.dtype == torch.float32
        assert torch.equal(gradient, other), name


def test_a_weight_that_takes_no_part_has_no_gradient() -> None:
    model = network()
    with torch.autocast("cpu", torch.bfloat16), casting_weights_together(model):
        features = model.forward_grid(model.stem(torch.randn(2, 32, 32)))
    features.float().sum().backward()
    assert model.classifier.head.weight.grad is None
    assert model.get_parameter("layers.0.blocks.0.mlp.fc1.weight").grad is not None


def test_the_networks_own_weights_are_back_when_the_block_ends_however_it_ends() -> None:
    model = network()
    weights = dict(model.named_parameters())

    def stopped() -> None:
        with torch.autocast("cpu", torch.bfloat16), casting_weights_together(model):
            assert model.classifier.head.weight.dtype == torch.bfloat16
            assert model.classifier.norm.weight.dtype == torch.float32
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError, match="stopped"):
        stopped()
    assert all(weights[name] is weight for name, weight in model.named_parameters())


def test_outside_autocast_and_for_other_networks_nothing_is_cast() -> None:
    model, other = network(), nn.Linear(3, 4)
    with casting_weights_together(model):
        assert model.classifier.head.weight.dtype == torch.float32
    with torch.autocast("cpu", torch.bfloat16), casting_weights_together(other):
        assert other.weight.dtype == torch.float32
