"""What is timed as one batched network must be the networks that are timed one by one."""

import gpu_together
import pytest
import torch
from gpu_together import MOST_ERROR, _difference, _OneByOne, _Together


def two_ways(name: str) -> tuple[_OneByOne, _Together]:
    build, shape = gpu_together._tiny_networks()[name]
    nets = gpu_together._networks_of_seeds(build, torch.device("cpu"))
    inputs = torch.randn(len(nets), *shape, generator=torch.Generator().manual_seed(0))
    compared = gpu_together._in_double(nets, inputs)
    return _OneByOne(*compared), _Together(*compared)


@pytest.mark.parametrize("name", gpu_together._tiny_networks())
def test_both_ways_have_the_same_gradients(name: str) -> None:
    assert _difference(*two_ways(name)) < MOST_ERROR["cpu"]


def test_another_networks_gradients_are_told() -> None:
    one_by_one, joint = two_ways("a head with 64 hidden units")
    with torch.no_grad():
        joint.weights["classifier.weight"][3] *= -1
    assert _difference(one_by_one, joint) > MOST_ERROR["cuda"]


def test_networks_that_differ_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_together, "_difference", lambda *_: 0.5)
    with pytest.raises(AssertionError, match=r"CNN-TSA tiny: gradients differ by 5\.0e-01"):
        gpu_together.together(torch.device("cpu"))
