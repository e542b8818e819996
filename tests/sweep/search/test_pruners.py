import warnings
from typing import Any

import pytest

from data.settings import ConfigError, parse
from sweep.config.study_config import PrunerConfig
from sweep.search.pruners import build_pruner, goes_by_order


def test_the_patient_pruner_comes_without_a_warning_for_developers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_pruner(PrunerConfig(name="patient"), 9)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        (
            {"name": "median", "arguments": {"warmup": 3}},
            r"pruner.arguments: Optuna's MedianPruner refuses them: .*warmup",
        ),
        ({"name": "median", "arguments": {"patience": 3}}, r"Optuna's MedianPruner refuses them: .*patience"),
        ({"name": "threshold"}, r"pruner.arguments: Optuna's ThresholdPruner refuses them: "),
        (
            {"name": "percentile", "arguments": {"percentile": 300}},
            r"pruner.arguments: Optuna's PercentilePruner refuses them: .*300",
        ),
        (
            {"name": "forecast", "arguments": {"p": 0.7}},
            r"pruner.arguments: ForecastPruner refuses them: p must lie between 0 and 0.5, got 0.7",
        ),
        (
            {"name": "forecast", "arguments": {"warmup": 3}},
            r"pruner.arguments: ForecastPruner refuses them: .*warmup",
        ),
        (
            {"name": "forecast", "arguments": {"epochs": 3}},
            r"pruner.arguments: epochs are those of the recipe",
        ),
        (
            {"name": "patient", "arguments": {"wrapped_pruner": {"nmae": "median"}}},
            r"pruner.arguments.wrapped_pruner: nmae: no such field; did you mean name\?",
        ),
        (
            {"name": "patient", "arguments": {"wrapped_pruner": "median"}},
            r"pruner.arguments.wrapped_pruner: .*got 'median'",
        ),
    ],
)
def test_arguments_that_the_pruner_refuses_are_told(config: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        build_pruner(parse(PrunerConfig, config, "pruner"), 9)


@pytest.mark.parametrize(
    ("config", "by_order"),
    [
        ({"name": "forecast"}, False),
        ({"name": "median"}, False),
        ({"name": "hyperband"}, True),
        ({"name": "successive_halving"}, True),
        ({"name": "patient"}, False),
        ({"name": "patient", "arguments": {"wrapped_pruner": {"name": "hyperband"}}}, True),
    ],
)
def test_halving_goes_by_the_order_of_reports_wrapped_or_not(config: dict[str, Any], by_order: bool) -> None:
    assert goes_by_order(parse(PrunerConfig, config, "pruner")) is by_order
