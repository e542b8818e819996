"""A frozen encoder under a head: one network, of which the head alone learns."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from data.batches import Examples
from model.attribution import attribution, default_method
from model.backbone import Backbone
from model.frozen import FrozenHead, FrozenNetwork, encoder_of
from model.frozen_parts import FrozenConfig
from model.pretrained import load_pretrained
from model.recipe_parts import BackboneConfig, SmoothingConfig
from model.registry import build_backbone
from model.training.checkpoint import save_checkpoint
from model.weights_file import PretrainedError

SHAPE = 64, 32


def built(name: Any = "cnn_tsa", pretrained: Path | None = None, classes: int = 4, **head: Any) -> Any:
    config = BackboneConfig(
        name=name, variant="tiny", pretrained=None if pretrained is None else str(pretrained)
    )
    frozen = FrozenConfig(encoder=True, **head) if head.pop("freezes", True) else None
    return build_backbone(config, SmoothingConfig(stage=None), classes, SHAPE, frozen=frozen)


@pytest.fixture(params=["cnn_tsa", "dass", "ast"])
def weights(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A network's name, and the checkpoint of a run of it."""
    torch.manual_seed(1)
    path = tmp_path / "run.pt"
    network = built(request.param, classes=7, freezes=False)
    save_checkpoint(path, {"modules": {f"model.{key}": value for key, value in network.state_dict().items()}})
    return request.param, path


def test_both_the_network_and_its_head_are_what_training_asks_for() -> None:
    network, head = built(), built().head
    assert isinstance(network, Backbone)
    assert isinstance(head, Backbone)


def test_the_network_answers_what_its_head_answers_to_the_features(weights: tuple[str, Path]) -> None:
    network = built(*weights, hidden=8).eval()
    inputs = torch.randn(6, *SHAPE)
    features = network.embed(inputs)
    network.head.standardise(features.mean(dim=0), features.std(dim=0))
    assert features.shape == (6, network.feature_dim)
    assert torch.equal(network(inputs), network.head(features))


def test_the_features_are_those_of_the_network_whose_weights_are_kept(weights: tuple[str, Path]) -> None:
    name, path = weights
    whole = built(name, path, freezes=False).eval()
    inputs = torch.randn(3, *SHAPE)
    with torch.no_grad():
        expected = whole.forward_grid(whole.stem(inputs))
        # PyTorch fuses the layers of a transformer that nobody trains, which changes the last digits.
        torch.testing.assert_close(built(name, path).embed(inputs), expected, atol=1e-5, rtol=1e-5)


def test_training_leaves_the_encoder_as_it_is() -> None:
    network = built(dropout=0.5).train()
    before = {name: value.clone() for name, value in network.encoder.state_dict().items()}
    optimiser = torch.optim.SGD([one for one in network.parameters() if one.requires_grad], lr=1.0)
    network(torch.randn(4, *SHAPE)).sum().backward()
    optimiser.step()
    assert network.head.training
    assert not network.encoder.training
    assert all(torch.equal(value, before[name]) for name, value in network.encoder.state_dict().items())


def test_features_are_standardised_over_the_training_cycles_and_constant_ones_are_nothing() -> None:
    head = FrozenHead(3, 2)
    features = torch.tensor([[1.0, 10.0, 0.1], [3.0, 30.0, 0.1], [5.0, 50.0, 0.1]])
    head.standardise(*Examples(features, torch.zeros(3, dtype=torch.int64), embedded=True).moments)
    deviation = (8 / 3) ** 0.5
    torch.testing.assert_close(head.mean, torch.tensor([3.0, 30.0, 0.1]))
    torch.testing.assert_close(head.scale, torch.tensor([1 / deviation, 0.1 / deviation, 0.0]))


def test_a_linear_head_is_linear_and_a_hidden_layer_is_not() -> None:
    x = torch.randn(5, 3)
    for hidden, linear in ((0, True), (16, False)):
        head = FrozenHead(3, 4, hidden=hidden)
        middle = (head(x) + head(-x)) / 2
        assert torch.allclose(middle, head(torch.zeros(5, 3)), atol=1e-6) == linear


def test_what_is_drawn_for_a_head_does_not_depend_on_the_encoder(weights: tuple[str, Path]) -> None:
    heads = []
    # The second network of a process takes the encoder that the first one built.
    for _ in range(2):
        torch.manual_seed(3)
        heads.append(built(*weights).head.classifier.weight)
    torch.manual_seed(3)
    alone = FrozenHead(heads[0].shape[1], 4).classifier.weight
    assert torch.equal(heads[0], heads[1])
    assert torch.equal(heads[0], alone)


def test_an_encoders_own_classifier_answers_nothing_and_holds_no_chance(weights: tuple[str, Path]) -> None:
    network = built(*weights)
    assert not network.encoder.eval()(torch.randn(2, *SHAPE)).any()


def test_weights_of_the_whole_network_come_back_and_serve_as_an_encoder_again(
    weights: tuple[str, Path], tmp_path: Path
) -> None:
    name, path = weights
    network, inputs = built(name, path, hidden=8).eval(), torch.randn(2, *SHAPE)
    network.head.standardise(torch.randn(network.feature_dim), torch.rand(network.feature_dim) + 0.1)
    torch.save(network.state_dict(), tmp_path / "whole.pt")
    again = built(name, hidden=8)
    assert load_pretrained(again, str(tmp_path / "whole.pt"), head=True).layout == "frozen"
    assert torch.equal(again.eval()(inputs), network(inputs))
    assert torch.equal(built(name, tmp_path / "whole.pt").embed(inputs), network.embed(inputs))


def test_the_checkpoint_of_a_head_is_no_encoder(tmp_path: Path) -> None:
    state = {f"model.{key}": value for key, value in FrozenHead(96, 4).state_dict().items()}
    save_checkpoint(tmp_path / "head.pt", {"modules": state})
    with pytest.raises(PretrainedError, match="the head that a run trained on a frozen encoder"):
        built(pretrained=tmp_path / "head.pt")


def test_an_answer_can_be_explained_by_the_encoders_own_method() -> None:
    network, inputs = built().eval(), torch.randn(2, *SHAPE)
    nn.init.normal_(network.head.classifier.weight)
    assert default_method(network) == "grad_cam"
    found = attribution(network, inputs, torch.tensor([0, 1]), "grad_cam")
    assert found.shape == inputs.shape
    assert found.any()
    assert encoder_of(network) is network.encoder
    assert encoder_of(network.encoder) is network.encoder


def test_only_a_head_is_left_to_train() -> None:
    network = built("dass", hidden=8)
    assert isinstance(network, FrozenNetwork)
    trained = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert trained == {
        f"head.{layer}.{kind}" for layer in ("hidden", "classifier") for kind in ("weight", "bias")
    }
