"""Whole files with contents that are not those of the run: refused, and the run as it was."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from data.task import ICBHI
from model.training.checkpoint import CheckpointError
from model.training.training import Training
from tests.model.training.tiny_run import recipe, tones

State = dict[str, Any]


def a_run(name: str = "adamw") -> Training:
    trained = recipe(epochs=2, optimiser={"name": name})
    return Training(trained, 1, tones(16, 0), tones(8, 1), task=ICBHI, data="tones")


@pytest.fixture(scope="module")
def saved() -> State:
    training = a_run()
    training.run_epoch()
    asked = iter([False, True])
    training.run_epoch_unless(lambda: next(asked))
    return training.state_dict()


def moments(state: State, parameter: int = 0) -> State:
    return state["optimiser"]["state"][parameter]


def set_moment(name: str, change: Callable[[Any], Any]) -> Callable[[State], None]:
    return lambda state: moments(state).update({name: change(moments(state)[name])})


def set_epoch(**fields: Any) -> Callable[[State], None]:
    return lambda state: state["history"][0].update(fields)


def set_begun(**fields: Any) -> Callable[[State], None]:
    return lambda state: state["begun"].update(fields)


def first_weight(change: Callable[[Any], Any]) -> Callable[[State], None]:
    def spoil(state: State) -> None:
        name = next(iter(state["modules"]))
        state["modules"][name] = change(state["modules"][name])

    return spoil


FOREIGN: list[tuple[Callable[[State], Any], str]] = [
    (
        set_moment("exp_avg", lambda value: torch.zeros(16)),
        r"exp_avg of parameter 0 is torch.float32 of shape \(16,\)",
    ),
    (set_moment("exp_avg_sq", lambda value: torch.zeros(0)), r"exp_avg_sq of parameter 0 .* of shape \(0,\)"),
    (set_moment("exp_avg", lambda value: value.double()), "exp_avg of parameter 0 is torch.float64"),
    (set_moment("exp_avg", lambda value: value.to("meta")), "exp_avg of parameter 0 is no plain tensor"),
    (set_moment("exp_avg", lambda value: value.to_sparse()), "exp_avg of parameter 0 is no plain tensor"),
    (set_moment("exp_avg", lambda value: torch.zeros(1).expand(value.shape)), "is no plain tensor"),
    (set_moment("exp_avg", lambda value: None), "exp_avg of parameter 0 is no plain tensor"),
    (set_moment("step", lambda value: torch.zeros(3)), r"step of parameter 0 .* of shape \(3,\)"),
    (set_moment("step", lambda value: torch.tensor(float("nan"))), "step of parameter 0 is nan"),
    (
        lambda state: moments(state).pop("exp_avg"),
        "keeps exp_avg_sq, step of parameter 0, this one exp_avg, ",
    ),
    (lambda state: state["optimiser"]["state"].update({10**6: {}}), "moments of parameter '1000000'"),
    (lambda state: state["optimiser"].update(state=[]), "the checkpoint has no state"),
    (lambda state: state.pop("optimiser"), "the checkpoint has no optimiser"),
    (lambda state: state.update(modules=7), "the checkpoint has no modules"),
    (lambda state: state["modules"].popitem(), "other weights than this network"),
    (first_weight(lambda value: value[:1]), "expected torch.float32 of shape"),
    (first_weight(lambda value: value.to("meta")), "is no plain tensor"),
    (lambda state: state.pop("history"), "history is none"),
    (lambda state: state.update(probabilities=[0.5]), "probabilities are no plain tensor"),
    (
        lambda state: state.update(probabilities=state["probabilities"][:3]),
        r"cannot be of this run: .*\(3, 4\)",
    ),
    (lambda state: state.update(probabilities=state["probabilities"].bfloat16()), "cannot be of this run"),
    (set_epoch(confusion=[[1]]), "epoch 1 cannot be one of this run"),
    (set_epoch(confusion=[[2, 0, 0, 0], [0, -1, 0, 0], [0, 0, 9, 0], [0, 0, 0, 1]]), "epoch 1 cannot be"),
    (set_epoch(epoch=7), "epoch 1 cannot be"),
    (set_epoch(train_loss="low"), r"history is none: 0\.train_loss"),
    (set_begun(masks=torch.zeros(3)), "masks that cannot be continued"),
    (set_begun(steps=-1), "steps that cannot be continued"),
    (set_begun(drop_path=[]), "drop_path that cannot be continued"),
    (set_begun(sums={"total": 1.0}), "sums that cannot be continued"),
    (lambda state: state.update(begun=[]), "begun epoch is none"),
    (lambda state: state.pop("recipe"), "belongs to recipe None"),
    (lambda state: state.update(recipe=torch.ones(200)), "belongs to recipe tensor"),
    (lambda state: state.update(seed=torch.ones(200)), "with seed tensor"),
    (lambda state: state.update(seed=torch.ones(1)), "with seed tensor"),
    (lambda state: state.update(task=["icbhi\n"] * 200), "was trained on task "),
    (lambda state: state.update(data=torch.ones(2, 2)), "other recordings or folds"),
]


@pytest.mark.parametrize(("spoil", "complaint"), FOREIGN)
def test_contents_of_no_such_run_are_refused_and_change_nothing(
    saved: State, spoil: Callable[[State], Any], complaint: str
) -> None:
    state = copy.deepcopy(saved)
    spoil(state)
    training = a_run()
    before = copy.deepcopy(training.modules.state_dict())
    with pytest.raises(CheckpointError, match=complaint) as caught:
        training.load_state_dict(state)
    assert "\n" not in str(caught.value)
    assert training.epoch == 0
    assert not training.optimiser.state
    for name, value in training.modules.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_moments_lie_as_their_parameters_do_whatever_the_file_says(saved: State) -> None:
    whole, strange = a_run(), a_run()
    whole.load_state_dict(copy.deepcopy(saved))
    state = copy.deepcopy(saved)
    for entry in state["optimiser"]["state"].values():
        value = entry["exp_avg"]
        if value.ndim == 2:
            entry["exp_avg"] = value.t().contiguous().t()
        # The settings of a file are not those of the recipe.
    state["optimiser"]["param_groups"] = [{"params": [], "lr": 1e9, "fused": False}]
    strange.load_state_dict(state)
    assert strange.run_epoch().train_loss == whole.run_epoch().train_loss
    for name, value in whole.modules.state_dict().items():
        assert torch.equal(strange.modules.state_dict()[name], value), name


def test_momentum_of_another_shape_is_refused() -> None:
    training = a_run("sgd")
    training.run_epoch()
    state = copy.deepcopy(training.state_dict())
    a_run("sgd").load_state_dict(state)
    moments(state)["momentum_buffer"] = torch.zeros(1)
    with pytest.raises(CheckpointError, match="momentum_buffer of parameter 0"):
        a_run("sgd").load_state_dict(state)
