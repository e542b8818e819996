import copy
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from data.task import ICBHI
from model.training.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from model.training.inputs import network_input
from model.training.sharpness import sharpness, validation_sharpness
from model.training.training import Training
from tests.model.training.tiny_run import recipe, tones, without_time

CPU = torch.device("cpu")


def test_a_quadratic_is_as_sharp_as_its_formula() -> None:
    curvature, w = (
        torch.tensor([1.0, 4.0, 9.0]).double(),
        torch.tensor([2.0, -1.0, 0.5]).double().requires_grad_(),
    )
    # L = sum(a w^2) / 2 in two summands, g = a w = (2, -4, 4.5), |g|^2 = 40.25, g A g = 4 + 64 + 182.25.
    before = w.detach().clone()

    def losses() -> list[torch.Tensor]:
        return [(curvature[:1] * w[:1] ** 2).sum() / 2, (curvature[1:] * w[1:] ** 2).sum() / 2]

    for rho in (0.0, 0.05, 2.0):
        found = sharpness(losses, [w], rho)
        assert found == pytest.approx(rho * math.sqrt(40.25) + rho**2 / 2 * 250.25 / 40.25, rel=1e-9)
    assert torch.equal(w, before)
    assert w.grad is None


def test_a_flat_loss_is_not_sharp_and_a_parameter_without_a_part_in_it_stays() -> None:
    flat, idle = torch.zeros(3, requires_grad=True), torch.ones(2, requires_grad=True)
    assert sharpness(lambda: [(flat**2).sum()], [flat, idle], 0.5) == 0
    # Of a linear loss the step of length rho along the gradient (3, 3, 3) gains rho |g|; idle has no part in |g|.
    assert sharpness(lambda: [3 * flat.sum()], [flat, idle], 0.5) == pytest.approx(0.5 * math.sqrt(27))
    assert idle.tolist() == [1, 1]


def test_weights_are_restored_where_the_loss_fails_at_the_worst_nearby_ones() -> None:
    w = torch.tensor([1.0], requires_grad=True)
    calls = []

    def losses() -> list[torch.Tensor]:
        calls.append(w.item())
        if len(calls) == 2:
            raise RuntimeError("no memory")
        return [w.sum()]

    with pytest.raises(RuntimeError, match="no memory"):
        sharpness(losses, [w], 0.5)
    assert calls == [1.0, 1.5]
    assert w.tolist() == [1.0]


@pytest.mark.parametrize(
    "backbone",
    [
        {"variant": "tiny", "drop_path_rate": 0.1},
        {"name": "cnn_tsa", "variant": "tiny", "dropout": 0.3},
        {"name": "ast", "variant": "tiny", "dropout": 0.3},
        {"name": "beats", "variant": "tiny"},
    ],
)
@pytest.mark.parametrize("chunks", [1, 3])
def test_a_network_is_as_sharp_as_a_step_by_hand_says_and_stays_as_it_is(backbone: dict, chunks: int) -> None:
    settings = recipe(
        backbone=backbone,
        smoothing={"stage": None},
        sharpness_rho=0.1,
        loss={"label_smoothing": 0.2, "class_weights": "inverse_frequency"},
    )
    training = Training(settings, 1, tones(16, 0), tones(21, 1), task=ICBHI)
    training.modules.eval()
    before = {name: value.clone() for name, value in training.modules.state_dict().items()}
    found = validation_sharpness(training.model, tones(21, 1), settings, CPU, chunks=chunks)
    assert found == validation_sharpness(training.model, tones(21, 1), settings, CPU, chunks=chunks)
    torch.testing.assert_close(training.modules.state_dict(), before, rtol=0, atol=0)
    assert all(parameter.grad is None for parameter in training.modules.parameters())

    other = copy.deepcopy(training.model)
    inputs = network_input(tones(21, 1).features, settings)
    loss = F.cross_entropy(other(inputs), tones(21, 1).labels)
    loss.backward()
    gradients = [one.grad for one in other.parameters() if one.grad is not None]
    norm = math.sqrt(sum(float(gradient.square().sum()) for gradient in gradients))
    with torch.no_grad():
        for parameter in other.parameters():
            if parameter.grad is not None:
                parameter += 0.1 * parameter.grad / norm
        rise = F.cross_entropy(other(inputs), tones(21, 1).labels) - loss
    assert found is not None
    assert found > 0.01
    assert found == pytest.approx(float(rise.detach()), rel=1e-3)


def test_a_rise_that_is_no_number_is_not_told() -> None:
    settings = recipe(
        backbone={"name": "cnn_tsa", "variant": "tiny"}, smoothing={"stage": None}, sharpness_rho=1000
    )
    linear = nn.Linear(32 * 32, 4)
    nn.init.constant_(linear.weight, 3e38)
    network = nn.Sequential(nn.Flatten(), linear).eval()
    assert validation_sharpness(network, tones(8, 1), settings, CPU) is None


def test_a_network_that_is_training_is_refused() -> None:
    settings = recipe(sharpness_rho=0.1)
    training = Training(settings, 1, tones(16, 0), tones(8, 1), task=ICBHI)
    with pytest.raises(ValueError, match="the network is training"):
        validation_sharpness(training.model.train(), tones(8, 1), settings, CPU)


def test_it_is_told_with_the_last_epoch_alone_and_moves_nothing_else() -> None:
    data = tones(24, 0), tones(8, 1)
    plain, measured = (
        Training(recipe(epochs=2, sharpness_rho=rho), 1, *data, task=ICBHI) for rho in (0.0, 0.05)
    )
    for _ in range(2):
        plain.run_epoch()
        measured.run_epoch()
    assert [metrics.sharpness for metrics in plain.history] == [None, None]
    first, last = measured.history
    assert first.sharpness is None
    assert last.sharpness is not None
    assert 0 < last.sharpness < 10
    torch.testing.assert_close(measured.modules.state_dict(), plain.modules.state_dict(), rtol=0, atol=0)
    assert [metrics.confusion for metrics in measured.history] == [
        metrics.confusion for metrics in plain.history
    ]


def test_a_run_that_goes_on_elsewhere_is_as_sharp(tmp_path) -> None:
    settings, data = recipe(epochs=2, sharpness_rho=0.05), (tones(24, 0), tones(8, 1))
    whole, first, second, third = (Training(settings, 1, *data, task=ICBHI) for _ in range(4))
    whole.run_epoch()
    whole.run_epoch()
    first.run_epoch()
    save_checkpoint(tmp_path / "checkpoint.pt", first.state_dict())
    second.load_state_dict(load_checkpoint(tmp_path / "checkpoint.pt"))
    second.run_epoch()
    assert without_time(second.history) == without_time(whole.history)
    save_checkpoint(tmp_path / "checkpoint.pt", second.state_dict())
    state = load_checkpoint(tmp_path / "checkpoint.pt")
    third.load_state_dict(state)
    assert third.history == second.history
    state["history"][1]["sharpness"] = math.nan
    with pytest.raises(CheckpointError, match="epoch 2 cannot be one of this run"):
        third.load_state_dict(state)
