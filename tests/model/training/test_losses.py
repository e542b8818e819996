import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from model.training.losses import ClassificationLoss, build_loss, class_weights, log_prior
from model.training.recipe import LossConfig

CPU = torch.device("cpu")
LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 2, 0])  # five, two, one and no cycle of the classes
COUNTS = torch.tensor([5.0, 2.0, 1.0, 0.0])


def logits() -> Tensor:
    return torch.randn(8, 4, generator=torch.Generator().manual_seed(1))


def loss_of(**settings: object) -> ClassificationLoss:
    return build_loss(LossConfig.model_validate(settings), LABELS, 4, CPU)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_default_is_cross_entropy_to_the_bit(smoothing: float) -> None:
    expected = functional.cross_entropy(logits(), LABELS, label_smoothing=smoothing)
    assert torch.equal(loss_of(label_smoothing=smoothing)(logits(), LABELS), expected)


def test_class_weights_fall_with_a_power_of_the_cycles_and_sum_to_one() -> None:
    counts = torch.tensor([16.0, 4.0, 1.0])
    expected = torch.tensor([0.25, 0.5, 1.0]) / 1.75
    torch.testing.assert_close(class_weights(counts, 0.5), expected)
    torch.testing.assert_close(class_weights(counts, 1.0), torch.tensor([1.0, 4.0, 16.0]) / 21)
    torch.testing.assert_close(class_weights(counts, 0.0), torch.full((3,), 1 / 3))


def test_the_default_power_is_the_inverse_frequency_to_the_bit() -> None:
    counts = torch.randint(1, 100_000, (500, 4), generator=torch.Generator().manual_seed(0)).float()
    for row in counts:
        inverse = 1 / row
        assert torch.equal(class_weights(row, LossConfig().class_weight_power), inverse / inverse.sum())


def test_with_power_zero_cycles_weigh_as_without_weights() -> None:
    weighted = loss_of(class_weights="inverse_frequency", class_weight_power=0)
    torch.testing.assert_close(weighted(logits(), LABELS), loss_of()(logits(), LABELS))


def test_a_power_without_class_weights_does_nothing() -> None:
    assert loss_of(class_weight_power=0.5).weights is None


def test_logits_are_adjusted_by_the_log_shares_of_the_classes() -> None:
    shares = torch.tensor([0.5, 0.25, 0.25])
    torch.testing.assert_close(log_prior(torch.tensor([4.0, 2.0, 2.0])), shares.log())
    labels = torch.tensor([0, 0, 1, 2])
    adjusted = build_loss(LossConfig(logit_adjustment=1.0), labels, 3, CPU)
    # Equal logits become the shares themselves: -(2 log 1/2 + 2 log 1/4) / 4.
    torch.testing.assert_close(adjusted(torch.zeros(4, 3), labels), torch.tensor(1.5 * math.log(2)))


def test_half_the_strength_is_the_root_of_the_shares() -> None:
    labels = torch.tensor([0, 0, 0, 0, 1])
    adjusted = build_loss(LossConfig(logit_adjustment=0.5), labels, 2, CPU)
    torch.testing.assert_close(adjusted(torch.zeros(1, 2), labels[-1:]), torch.tensor(math.log(3)))


def test_a_strength_of_zero_adjusts_nothing() -> None:
    assert loss_of(logit_adjustment=0.0).adjustment is None


def test_the_focal_loss_is_the_papers() -> None:
    # Probabilities 0.8 and 0.5 of the true class: (0.2^2 * -log 0.8 + 0.5^2 * -log 0.5) / 2.
    two = torch.tensor([[0.8, 0.2], [0.5, 0.5]]).log()
    expected = (0.04 * -math.log(0.8) + 0.25 * math.log(2)) / 2
    focal = ClassificationLoss(focal_gamma=2.0)
    torch.testing.assert_close(focal(two, torch.tensor([0, 1])), torch.tensor(expected))
    weighted = ClassificationLoss(weights=torch.tensor([0.25, 0.75]), focal_gamma=2.0)
    expected = 0.25 * 0.04 * -math.log(0.8) + 0.75 * 0.25 * math.log(2)
    torch.testing.assert_close(weighted(two, torch.tensor([0, 1])), torch.tensor(expected))


@pytest.mark.parametrize("weights", [None, torch.tensor([0.1, 0.2, 0.3, 0.4])])
def test_focus_without_strength_is_cross_entropy(weights: Tensor | None) -> None:
    barely = ClassificationLoss(weights, focal_gamma=1e-6)(logits(), LABELS)
    torch.testing.assert_close(barely, functional.cross_entropy(logits(), LABELS, weights))


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_a_certain_cycle_has_a_focal_gradient(gamma: float) -> None:
    certain = torch.tensor([[200.0, 0.0], [0.0, 200.0]], requires_grad=True)
    loss = ClassificationLoss(focal_gamma=gamma)(certain, torch.tensor([0, 0]))
    loss.backward()
    assert loss.isfinite()
    assert certain.grad is not None
    assert certain.grad.isfinite().all()
    assert certain.grad[1].abs().max() > 0.1


@pytest.mark.parametrize(
    "settings",
    [
        {"class_weights": "inverse_frequency", "class_weight_power": 0.5, "label_smoothing": 0.1},
        {"logit_adjustment": 1.0, "label_smoothing": 0.1},
        {"class_weights": "inverse_frequency", "focal_gamma": 2.0, "logit_adjustment": 0.5},
    ],
)
def test_a_class_without_cycles_gives_finite_losses_and_gradients(settings: dict[str, object]) -> None:
    answers = logits().requires_grad_()
    loss = loss_of(**settings)(answers, LABELS)
    loss.backward()
    assert loss.isfinite()
    assert answers.grad is not None
    assert answers.grad.isfinite().all()
    assert class_weights(COUNTS, 0.5)[3] == 0
