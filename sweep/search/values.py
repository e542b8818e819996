"""Values of searched fields as Optuna takes and gives them."""

from __future__ import annotations

import json
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import Trial

from sweep.config.parameters import AnyParameter, FloatParameter, IntParameter


def suggest(trial: Trial, path: str, parameter: AnyParameter) -> Any:
    if isinstance(parameter, FloatParameter):
        low, high, step, log = parameter.low, parameter.high, parameter.step, parameter.log
        value = trial.suggest_float(path, low, high, step=step, log=log)
    elif isinstance(parameter, IntParameter):
        low, high, step, log = parameter.low, parameter.high, parameter.step, parameter.log
        value = trial.suggest_int(path, low, high, step=step, log=log)
    else:
        value = trial.suggest_categorical(path, [encode(choice) for choice in parameter.choices])
    return canonical(parameter, value)


def distribution(parameter: AnyParameter) -> BaseDistribution:
    """Build the distribution that Optuna notes of a suggested parameter."""
    if isinstance(parameter, FloatParameter):
        return FloatDistribution(parameter.low, parameter.high, parameter.log, parameter.step)
    if isinstance(parameter, IntParameter):
        return IntDistribution(parameter.low, parameter.high, parameter.log, parameter.step)
    return CategoricalDistribution([encode(choice) for choice in parameter.choices])


def canonical(parameter: AnyParameter, value: Any) -> Any:
    """Write a value as the search space does, so that equal points are equal wherever they came from."""
    if isinstance(parameter, FloatParameter):
        # Optuna's steps carry rounding errors.
        return parameter.nearest(float(value))
    if isinstance(parameter, IntParameter):
        return int(value)
    return next((choice for choice in parameter.choices if encode(choice) == encode(value)), value)


def encode(value: Any) -> Any:
    """Turn a choice into a plain scalar, as Optuna wants it; a tuple becomes its JSON."""
    return json.dumps(value) if isinstance(value, tuple | list) else value
