"""How far a replayed step may be off the plain one."""

from typing import Any

import torch

from model.training.replay_check import Outcome, Standing, fault_of
from model.training.step import Losses

NAMES, STATISTICS = ["first", "second"], ["running_mean"]


def outcome(off: float = 0.0, **changes: Any) -> Outcome:
    """What a pass came to, its first gradient, of norm 2, by `off` another one."""
    told: dict[str, Any] = {
        "losses": Losses(torch.tensor(3.0), torch.tensor(2.0), {"contrast_time": torch.tensor(1.0)}),
        "gradients": [torch.tensor([1.0 + off, 1.0, 1.0, 1.0]), torch.zeros(2)],
        "standing": Standing([torch.tensor([1, 2])], [torch.ones(3)]),
    }
    return Outcome(**{**told, **changes})


def test_equal_numbers_agree_also_where_they_are_zero() -> None:
    assert fault_of(NAMES, STATISTICS, outcome(), outcome(), outcome()) is None


def test_a_thousandth_of_the_norm_is_allowed_and_more_is_named_with_both_numbers() -> None:
    assert fault_of(NAMES, STATISTICS, outcome(), outcome(), outcome(1.9e-3)) is None
    fault = fault_of(NAMES, STATISTICS, outcome(), outcome(), outcome(2.1e-3))
    assert fault is not None
    assert fault.startswith("gradient of first of norm 2 is off by 0.0021")


def test_ten_times_what_two_plain_passes_differ_by_is_allowed() -> None:
    assert fault_of(NAMES, STATISTICS, outcome(), outcome(0.01), outcome(0.1)) is None
    assert fault_of(NAMES, STATISTICS, outcome(), outcome(0.01), outcome(0.11)) is not None


def test_a_gradient_that_should_be_zero_is_measured_by_all_of_them() -> None:
    allowed = outcome(gradients=[torch.ones(4), torch.tensor([1e-6, 0.0])])
    beyond = outcome(gradients=[torch.ones(4), torch.tensor([3e-6, 0.0])])
    assert fault_of(NAMES, STATISTICS, outcome(), outcome(), allowed) is None
    assert "gradient of second" in str(fault_of(NAMES, STATISTICS, outcome(), outcome(), beyond))


def test_losses_statistics_and_draws_have_to_agree_too() -> None:
    loss = outcome(losses=Losses(torch.tensor(3.1), torch.tensor(2.0), {"contrast_time": torch.tensor(1.0)}))
    assert "loss total" in str(fault_of(NAMES, STATISTICS, outcome(), outcome(), loss))
    other = outcome(losses=Losses(torch.tensor(3.0), torch.tensor(2.0)))
    assert "other losses" in str(fault_of(NAMES, STATISTICS, outcome(), outcome(), other))
    none = outcome(gradients=[torch.ones(4), None])
    assert "gradients of other weights" in str(fault_of(NAMES, STATISTICS, outcome(), outcome(), none))
    statistics = outcome(standing=Standing([torch.tensor([1, 2])], [torch.zeros(3)]))
    assert "running_mean" in str(fault_of(NAMES, STATISTICS, outcome(), outcome(), statistics))
    draws = outcome(standing=Standing([torch.tensor([1, 3])], [torch.ones(3)]))
    assert "another count of random numbers" in str(fault_of(NAMES, STATISTICS, outcome(), outcome(), draws))


def test_what_is_not_finite_is_beyond_any_bound() -> None:
    assert fault_of(NAMES, STATISTICS, outcome(), outcome(0.5), outcome(float("nan"))) is not None
    assert not outcome(float("inf")).is_finite()
    assert outcome(gradients=[torch.ones(4), None]).is_finite()
