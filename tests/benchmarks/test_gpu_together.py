"""What is timed as one batched network must be the networks that are timed one by one."""

import gpu_together
import pytest
import torch
from gpu_together import MOST_ERROR, _difference, _OneByOne, _Together

from model.frozen import FrozenHead


def two_ways() -> tuple[_OneByOne, _Together]:
    nets = gpu_together._networks_of_seeds(lambda: FrozenHead(6, 4, hidden=3), torch.device("cpu"))
    inputs = torch.randn(len(nets), 16, 6, generator=torch.Generator().manual_seed(0))
    return _OneByOne(nets, inputs), _Together(nets, inputs)


def test_both_ways_have_the_same_gradients() -> None:
    assert _difference(*two_ways()) < 1e-5


def test_another_networks_gradients_are_told() -> None:
    one_by_one, joint = two_ways()
    with torch.no_grad():
        joint.weights["classifier.weight"][3] *= -1
    assert _difference(one_by_one, joint) > MOST_ERROR


def test_networks_that_differ_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_together, "_difference", lambda *_: 0.5)
    with pytest.raises(AssertionError, match=r"CNN-TSA tiny: gradients differ by 5\.0e-01"):
        gpu_together.together(torch.device("cpu"))
