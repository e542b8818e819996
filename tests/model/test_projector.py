import pytest
import torch

from model.projector import Projector


def test_its_keys_are_those_of_the_published_projector() -> None:
    assert {key.split(".")[0] for key in Projector(6).state_dict()} == {"linear1", "bn", "linear2"}


def test_it_normalises_over_the_batch_before_the_relu() -> None:
    projector = Projector(2)
    with torch.no_grad():
        for linear in (projector.linear1, projector.linear2):
            linear.weight.copy_(torch.eye(2))
            linear.bias.zero_()
    projected = projector(torch.tensor([[1.0, 10.0], [3.0, 50.0]]))
    torch.testing.assert_close(projected, torch.tensor([[0.0, 0.0], [1.0, 1.0]]), atol=1e-4, rtol=0)


def test_one_sample_has_no_batch_statistics() -> None:
    with pytest.raises(ValueError, match="more than 1 value"):
        Projector(2)(torch.ones(1, 2))
