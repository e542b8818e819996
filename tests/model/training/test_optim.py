"""Steps against golden/ast_sam/sam_mlp, and against steps by hand."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from torch import Tensor, nn

from model.training.optim import build_optimiser, learning_rate_at, optimise_step
from model.training.recipe import OptimiserConfig
from tests.goldens import Golden, facts

CASES = (
    "sgd",
    "sgd_momentum_wd",
    "adam",
    "adamw",
    "adamw_paper",
    "adam_rho0",
    "sgd_adaptive",
    "sgd_clip",
    "sgd_batchnorm",
)


class Perceptron(nn.Module):
    def __init__(self, batch_norm: bool) -> None:
        super().__init__()
        self.fc1 = nn.Linear(3, 4)
        self.bn = nn.BatchNorm1d(4) if batch_norm else nn.Identity()
        self.fc2 = nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(torch.tanh(self.bn(self.fc1(x))))


@pytest.fixture(scope="module")
def cases() -> dict[str, Any]:
    return facts("ast_sam/sam_mlp")["cases"]


@pytest.fixture(scope="module")
def golden() -> Golden:
    return Golden("ast_sam/sam_mlp")


@pytest.mark.parametrize("name", CASES)
def test_three_steps_match_the_golden_ones(cases: dict[str, Any], golden: Golden, name: str) -> None:
    case = cases[name]
    base = case["base_options"]
    config = OptimiserConfig(
        name=case["base_optimizer"].lower(),
        learning_rate=base["lr"],
        weight_decay=base.get("weight_decay", 0),
        momentum=base.get("momentum", 0),
        clip_norm=case["clip_global_norm"],
        sam_rho=case["rho"],
        sam_adaptive=case["adaptive"],
        weight_blend=0,
    )
    model = Perceptron(case["batch_norm"]).double()
    start = [("init/", model)]
    if case["batch_norm"]:
        start.append(("init_bn/", model))
    for prefix, module in start:
        tensors = golden.under(prefix)
        module.load_state_dict(tensors, strict=False)
    optimiser = build_optimiser(config, model.parameters())
    losses: list[float] = []

    def closure() -> float:
        loss = nn.functional.cross_entropy(
            model(golden["input/x"]), golden["input/y"], label_smoothing=case["label_smoothing"]
        )
        loss.backward()
        losses.append(loss.item())
        return loss.item()

    for step, expected in enumerate(case["per_step"], start=1):
        losses.clear()
        result, stepped = optimise_step(model, optimiser, closure, config)
        assert stepped
        assert result == losses[0] == pytest.approx(expected["loss_at_w"], abs=1e-12)
        assert losses[-1] == pytest.approx(expected["loss_at_w_plus_e"], abs=1e-12)
        for key, value in model.state_dict().items():
            if not key.endswith("num_batches_tracked"):
                torch.testing.assert_close(value, golden[f"{name}/step{step}/{key}"], atol=1e-12, rtol=0)
    assert len(losses) == (2 if case["rho"] else 1)


def test_the_golden_file_holds_no_other_case(cases: dict[str, Any]) -> None:
    assert set(cases) == set(CASES)


def line(start: float = 1.0) -> tuple[nn.Linear, Callable[[], float]]:
    """One weight, loss 2 w: the gradient is 2 everywhere."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(start)

    def closure() -> float:
        loss = model(torch.full((1, 1), 2.0)).sum()
        loss.backward()
        return loss.item()

    return model, closure


@pytest.mark.parametrize("sam_rho", [0.0, 0.5])
@pytest.mark.parametrize(("blend", "after"), [(0.0, 0.8), (0.5, 0.9), (0.75, 0.95)])
def test_blending_keeps_its_share_of_the_weights_before(sam_rho: float, blend: float, after: float) -> None:
    model, closure = line(1.0)
    config = OptimiserConfig(
        name="sgd", learning_rate=0.1, momentum=0, weight_decay=0, weight_blend=blend, sam_rho=sam_rho
    )
    optimise_step(model, build_optimiser(config, model.parameters()), closure, config)
    assert model.weight.item() == pytest.approx(after)


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
def test_blending_by_half_is_half_the_learning_rate(name: Any) -> None:
    def after(learning_rate: float, blend: float) -> Tensor:
        torch.manual_seed(1)
        model = Perceptron(batch_norm=False).double()
        # L2 decay and momentum see the blended weights in both runs, so even their history agrees.
        config = OptimiserConfig(name=name, learning_rate=learning_rate, weight_decay=0.1, weight_blend=blend)
        optimiser = build_optimiser(config, model.parameters())
        for _ in range(3):
            optimise_step(
                model, optimiser, lambda: model(torch.ones(2, 3).double()).square().sum().backward(), config
            )
        return nn.utils.parameters_to_vector(model.parameters())

    torch.testing.assert_close(after(0.1, 0.5), after(0.05, 0.0))


@pytest.mark.parametrize(("sam_rho", "mean_after"), [(0.0, 0.15), (0.05, 0.15)])
def test_blending_takes_batch_statistics_along(sam_rho: float, mean_after: float) -> None:
    model = nn.BatchNorm1d(1)
    config = OptimiserConfig(sam_rho=sam_rho)
    batch = torch.tensor([[2.0], [4.0]])
    optimise_step(
        model,
        build_optimiser(config, model.parameters()),
        lambda: model(batch).square().sum().backward(),
        config,
    )
    assert model.running_mean is not None
    assert model.running_mean.item() == pytest.approx(mean_after)
    assert model.num_batches_tracked == 1


def test_weights_that_are_not_trained_stay_to_the_bit() -> None:
    model = Perceptron(batch_norm=False)
    model.fc1.requires_grad_(False)
    before = model.fc1.weight.clone()
    config = OptimiserConfig(learning_rate=0.1)
    optimise_step(
        model,
        build_optimiser(config, model.fc2.parameters()),
        lambda: model(torch.ones(2, 3)).sum().backward(),
        config,
    )
    assert torch.equal(model.fc1.weight, before)


@pytest.mark.parametrize("blend", [0.0, 0.5])
def test_a_first_gradient_that_is_not_finite_skips_the_step(blend: float) -> None:
    model = Perceptron(batch_norm=True)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    config = OptimiserConfig(sam_rho=0.05, weight_blend=blend)
    optimiser = build_optimiser(config, model.parameters())
    x = torch.tensor([[1.0, math.inf, 0.0], [1.0, 2.0, 3.0]])
    _, stepped = optimise_step(model, optimiser, lambda: model(x).sum().backward(), config)
    assert not stepped
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not optimiser.state


def test_gradients_of_the_batch_before_are_gone() -> None:
    model, closure = line(1.0)
    config = OptimiserConfig(name="sgd", learning_rate=0.1, momentum=0, weight_decay=0, weight_blend=0)
    optimiser = build_optimiser(config, model.parameters())
    for after in (0.8, 0.6, 0.4):
        optimise_step(model, optimiser, closure, config)
        assert model.weight.item() == pytest.approx(after)


def test_a_step_resumed_from_saved_state_is_the_same_to_the_bit() -> None:
    config = OptimiserConfig(name="adamw", learning_rate=0.01, sam_rho=0.05)

    def steps(count: int, saved: tuple[Any, Any] | None) -> tuple[Any, Any]:
        torch.manual_seed(2)
        model = Perceptron(batch_norm=True)
        optimiser = build_optimiser(config, model.parameters())
        if saved is not None:
            model.load_state_dict(saved[0])
            optimiser.load_state_dict(saved[1])
        x = torch.arange(12.0).reshape(4, 3).sin()
        for _ in range(count):
            optimise_step(model, optimiser, lambda: model(x).square().sum().backward(), config)
        return model.state_dict(), optimiser.state_dict()

    whole, resumed = steps(4, None)[0], steps(2, steps(2, None))[0]
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_the_cosine_starts_just_below_the_rate_and_ends_on_its_floor() -> None:
    config = OptimiserConfig(learning_rate=5e-5, final_fraction=1e-3)
    assert learning_rate_at(config, 1, 50) == pytest.approx(
        5e-8 + (5e-5 - 5e-8) * (1 + math.cos(math.pi / 50)) / 2
    )
    assert learning_rate_at(config, 25, 50) == pytest.approx((5e-5 + 5e-8) / 2)
    assert learning_rate_at(config, 50, 50) == pytest.approx(5e-8)


@given(st.integers(1, 60).flatmap(lambda epochs: st.tuples(st.just(epochs), st.integers(1, epochs))))
def test_rates_fall_between_the_rate_and_its_floor(drawn: tuple[int, int]) -> None:
    epochs, epoch = drawn
    config = OptimiserConfig(learning_rate=0.1, final_fraction=0.01)
    assert 0.001 <= learning_rate_at(config, epoch, epochs) <= 0.1
    constant = OptimiserConfig(learning_rate=0.1, schedule="constant")
    assert learning_rate_at(constant, epoch, epochs) == 0.1


def test_the_rate_warms_up_by_equal_steps_and_goes_on_as_a_run_of_the_epochs_that_are_left() -> None:
    config = OptimiserConfig(learning_rate=0.4, final_fraction=0.01)
    warm = config.model_copy(update={"warmup_epochs": 3})
    rates = [learning_rate_at(warm, epoch, 13) for epoch in range(1, 14)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3])
    assert rates[3:] == [learning_rate_at(config, epoch, 10) for epoch in range(1, 11)]
    constant = warm.model_copy(update={"schedule": "constant"})
    assert [learning_rate_at(constant, epoch, 13) for epoch in (3, 4, 13)] == pytest.approx([0.3, 0.4, 0.4])


@pytest.mark.parametrize(("epochs", "final_fraction"), [(1, 0.0), (7, 1e-3), (50, 0.3)])
def test_without_warm_up_rates_are_the_cosine_to_the_bit(epochs: int, final_fraction: float) -> None:
    config = OptimiserConfig(learning_rate=5e-5, final_fraction=final_fraction)
    floor = 5e-5 * final_fraction
    for epoch in range(1, epochs + 1):
        cosine = floor + (5e-5 - floor) * (1 + math.cos(math.pi * epoch / epochs)) / 2
        assert learning_rate_at(config, epoch, epochs) == cosine


@pytest.mark.parametrize(
    "wrong",
    [
        {"learning_rate": 0},
        {"warmup_epochs": -1},
        {"warmup_epochs": 0.5},
        {"weight_blend": 1.0},
        {"sam_rho": -0.1},
        {"clip_norm": 0},
        {"name": "lion"},
    ],
)
def test_a_setting_that_means_nothing_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        OptimiserConfig(**wrong)
