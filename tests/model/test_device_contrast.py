import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.device_contrast import DeviceClassifier, device_contrast_loss


def by_definition(projected: Tensor, devices: list[int], temperature: float) -> float:
    """The loss view by view and pair by pair, in plain numbers."""
    found = []
    for i, one in enumerate(projected):
        exponents = {
            a: math.exp(float(functional.cosine_similarity(one, other, dim=0)) / temperature)
            for a, other in enumerate(projected)
            if a != i
        }
        positives = [p for p in exponents if devices[p] == devices[i]]
        if positives:
            logs = [math.log(exponents[p] / sum(exponents.values())) for p in positives]
            found.append(-sum(logs) / len(positives))
    return sum(found) / len(found)


def test_three_cycles_worked_by_hand() -> None:
    # Two of one device at right angles, one of another device opposite the first: cosines 0, -1, 0.
    projected = torch.tensor([[2.0, 0.0], [0.0, 3.0], [-1.0, 0.0]], dtype=torch.float64)
    loss = device_contrast_loss(projected, torch.tensor([0, 0, 1]), 1.0)
    # First: log(1 / (1 + 1/e)); second: log(1 / 2); the third has no other of its device and is not counted.
    assert loss.item() == pytest.approx((math.log(1 + math.exp(-1)) + math.log(2)) / 2)


@pytest.mark.parametrize("devices", [[0, 1], [0, 0, 1], [0, 1, 2, 0, 1, 2], [3, 3, 3, 0, 1, 3, 0, 3]])
@pytest.mark.parametrize("temperature", [0.06, 1.0])
def test_it_is_its_definition(devices: list[int], temperature: float) -> None:
    torch.manual_seed(len(devices))
    projected = torch.randn(len(devices), 5, dtype=torch.float64)
    loss = device_contrast_loss(projected, torch.tensor(devices), temperature)
    if len(set(devices)) == len(devices):
        assert loss == 0
    else:
        assert loss.item() == pytest.approx(by_definition(projected, devices, temperature))


def test_two_views_of_a_cycle_are_each_others_positives() -> None:
    torch.manual_seed(0)
    projected = torch.randn(6, 5, dtype=torch.float64)
    loss = device_contrast_loss(projected, torch.tensor([0, 1, 2]).repeat(2), 0.2)
    assert loss.item() == pytest.approx(by_definition(projected, [0, 1, 2, 0, 1, 2], 0.2))


@pytest.mark.parametrize(
    "devices", [[1, 1, 1, 1], [0, 1, 2, 3]], ids=["one device", "each cycle a device of its own"]
)
def test_where_nothing_can_be_contrasted_it_is_zero_and_so_is_its_gradient(devices: list[int]) -> None:
    torch.manual_seed(0)
    projected = torch.randn(4, 3, requires_grad=True)
    loss = device_contrast_loss(projected, torch.tensor(devices), 0.06)
    assert loss == 0
    loss.backward()
    assert projected.grad is not None
    assert torch.equal(projected.grad, torch.zeros(4, 3))


@pytest.mark.parametrize("projected", [torch.zeros(4, 3), torch.ones(4, 3), 1e20 * torch.eye(4, 3)])
def test_features_all_alike_or_nothing_or_huge_give_numbers(projected: Tensor) -> None:
    projected = projected.clone().requires_grad_()
    loss = device_contrast_loss(projected, torch.tensor([0, 0, 1, 1]), 0.01)
    loss.backward()
    assert torch.isfinite(loss)
    assert projected.grad is not None
    assert torch.isfinite(projected.grad).all()


def test_going_down_its_gradient_brings_cycles_of_one_device_together() -> None:
    torch.manual_seed(0)
    projected, devices = torch.randn(8, 4, requires_grad=True), torch.arange(8) % 2
    optimiser = torch.optim.SGD([projected], lr=0.5)
    for _ in range(1000):
        optimiser.zero_grad()
        device_contrast_loss(projected, devices, 0.5).backward()
        optimiser.step()
    unit = functional.normalize(projected.detach(), dim=1)
    similarity = unit @ unit.T
    same = devices[:, None] == devices[None, :]
    assert similarity[same].min() > 0.9
    assert similarity[~same].max() < 0


def test_the_classifier_is_a_linear_layer_on_normalised_features() -> None:
    torch.manual_seed(0)
    classifier, features = DeviceClassifier(6, 4), torch.randn(3, 6)
    assert classifier(features).shape == (3, 4)
    torch.testing.assert_close(classifier(5 * features + 2), classifier(features), rtol=1e-3, atol=1e-4)
