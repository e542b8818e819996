import warnings
from typing import Any

import pytest

from data.settings import ConfigError, parse
from sweep.config.study_parts import PrunerConfig
from sweep.search.pruners import build_pruner, goes_by_order


def test_the_patient_pruner_comes_without_a_warning_for_developers() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build_pruner(PrunerConfig(name="patient"), 9)


@pytest.mark.parametrize(
    ("config", "complaint"),
    [
        ({"name": "threshold"}, r"pruner.arguments: Optuna's ThresholdPruner refuses them: "),
        (
            {"name": "successive_halving", "arguments": {"bootstrap_count": 3}},
            r"pruner.arguments: Optuna's SuccessiveHalvingPruner refuses them: bootstrap_count",
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
