import json

import pytest
from ray.tune.utils import flatten_dict

from sweep.worker.step_result import Ending, Failed, Finished, FullDisk, OutOfMemory, StepResult


@pytest.mark.parametrize("ending", [None, Finished(3), Failed("NaN"), OutOfMemory("full"), FullDisk("full")])
def test_a_result_comes_back_from_tune_as_it_was(ending: Ending | None) -> None:
    result = StepResult(({"epoch": 2, "score": 0.5}, {"epoch": 3, "score": 0.6}), ending)
    told = result.as_tune()
    assert told["done"] is (ending is not None)
    # Tune puts keys of its own beside ours, and flattens the whole for its searcher.
    handed_on = flatten_dict({**json.loads(json.dumps(told)), "training_iteration": 3})
    assert StepResult.from_tune(handed_on) == result


@pytest.mark.parametrize("nothing", [None, {}, {"done": False}])
def test_a_trial_that_never_reported_tells_nothing(nothing: dict[str, bool] | None) -> None:
    assert StepResult.from_tune(nothing) == StepResult()
