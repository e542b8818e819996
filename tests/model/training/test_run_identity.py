"""A state is loaded into a run of its own recipe, seed, task and data alone."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from data.task import ICBHI
from model.training.checkpoint import CheckpointError
from model.training.run_identity import RunIdentity
from model.training.training import Training
from tests.model.training.tiny_run import recipe, tones


def test_a_state_of_another_task_is_refused_and_one_without_is_icbhis() -> None:
    data = tones(16, 0), tones(8, 1)
    training = Training(recipe(), 1, *data, task=ICBHI)
    state = training.state_dict()
    with pytest.raises(CheckpointError, match=r"trained on task 1-2; this run is of task icbhi"):
        training.load_state_dict({**state, "task": "1-2"})
    training.run_epoch()
    past = training.state_dict()
    del past["task"], past["history"][0]["task"]
    again = Training(recipe(), 1, *data, task=ICBHI)
    again.load_state_dict(past)
    assert again.history == training.history


MINE = RunIdentity("a" * 64, 1, "icbhi", "recordings/folds", "recordings or folds")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"recipe": "b" * 64},
            r"^the checkpoint belongs to recipe b{12} with seed 1; this run is recipe a{12} with",
        ),
        ({"seed": 2}, r"belongs to recipe a{12} with seed 2; this run is recipe a{12} with seed 1$"),
        ({"seed": True}, r"with seed True; this run"),
        ({"recipe": torch.zeros(3)}, r"^the checkpoint belongs to recipe tensor\(\[0"),
        (
            {"data": "others/folds"},
            r"^the checkpoint was trained on other recordings or folds \(others/folds\) than",
        ),
    ],
)
def test_a_state_of_another_run_is_refused_with_both_named(changes: dict[str, Any], message: str) -> None:
    MINE.check(MINE.as_state())
    with pytest.raises(CheckpointError, match=message):
        MINE.check({**MINE.as_state(), **changes})


def test_a_state_or_a_run_that_does_not_say_its_data_fits_any() -> None:
    MINE.check({**MINE.as_state(), "data": None})
    replace(MINE, data=None).check(MINE.as_state())
