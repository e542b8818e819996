import optuna
import pytest

from data.settings import parse
from sweep.config.parameters import CategoricalParameter, FloatParameter, IntParameter
from sweep.search.values import canonical, distribution, encode, suggest

STEPS = parse(FloatParameter, {"type": "float", "low": 0.1, "high": 0.5, "step": 0.1}, "steps")
COUNT = parse(IntParameter, {"type": "int", "low": 8, "high": 64, "log": True}, "count")
AXES = parse(
    CategoricalParameter, {"type": "categorical", "choices": [["time"], ["time", "frequency"], None]}, "axes"
)


def test_a_value_is_written_as_the_search_space_writes_it() -> None:
    assert canonical(STEPS, 0.1 + 0.2) == 0.3
    assert type(canonical(COUNT, 16.0)) is int
    assert canonical(AXES, ["time", "frequency"]) == canonical(AXES, '["time", "frequency"]')
    assert canonical(AXES, None) is None


@pytest.mark.parametrize("parameter", [STEPS, COUNT, AXES])
def test_what_is_suggested_lies_in_the_distribution(
    parameter: FloatParameter | IntParameter | CategoricalParameter,
) -> None:
    trial = optuna.create_study(sampler=optuna.samplers.RandomSampler(0)).ask()
    value = suggest(trial, "field", parameter)
    assert trial.distributions == {"field": distribution(parameter)}
    assert canonical(parameter, trial.params["field"]) == value
    assert trial.distributions["field"]._contains(distribution(parameter).to_internal_repr(encode(value)))
