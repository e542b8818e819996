"""What is said of a trial that a pruner stopped: against what its curve was held."""

from typing import Any

import optuna
import pytest

from data.settings import parse
from sweep.config.study_parts import PrunerConfig
from sweep.search.pruners import build_pruner
from sweep.search.pruning_reasons import held_against

EPOCHS = 6


def said(config: dict[str, Any], curves: list[list[float]], slow: list[float]) -> str:
    """What is said of a trial with the values `slow`, which is stopped at the last, after others with `curves`."""
    settings = parse(PrunerConfig, config, "pruner")
    pruner = build_pruner(settings, EPOCHS)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for curve in curves:
        trial = study.ask()
        for step, value in enumerate(curve, start=1):
            trial.report(value, step)
            trial.should_prune()
        study.tell(trial, curve[-1])
    stopped = study.ask()
    for step, value in enumerate(slow, start=1):
        stopped.report(value, step)
        verdict = stopped.should_prune()
        assert bool(verdict) is (step == len(slow))
    return held_against(settings, EPOCHS, pruner, study.get_trials(deepcopy=False), stopped.number)


CURVES = [[level + 0.01 * step for step in range(EPOCHS)] for level in (0.3, 0.4, 0.5, 0.6, 0.7)]


@pytest.mark.parametrize(
    ("config", "slow", "expected"),
    [
        # At the third epoch the others have 32, 42, 52, 62 and 72 %.
        ({"name": "median"}, [0.1, 0.2, 0.2], "against 52.0 %, the median of 5 others at that epoch"),
        (
            {"name": "percentile", "arguments": {"n_startup_trials": 1}},
            [0.1, 0.2, 0.6],
            "against 62.0 %, the lowest of the best 25 % of 5 others at that epoch",
        ),
        (
            {"name": "threshold", "arguments": {"lower": 0.15}},
            [0.2, 0.1],
            "against the lower limit of 15.0 %",
        ),
        (
            {"name": "threshold", "arguments": {"lower": 0.05, "upper": 0.9}},
            [0.2, 0.95],
            "against the lower limit of 5.0 % and the upper limit of 90.0 %",
        ),
        ({"name": "successive_halving"}, [0.1], "not among the best 1 in 4 that came as far"),
        (
            {"name": "patient", "arguments": {"patience": 1, "wrapped_pruner": None}},
            [0.5, 0.4, 0.4],
            "no better for 1 epoch",
        ),
        (
            {"name": "patient"},
            [0.1, 0.09, 0.08],
            "no better for 1 epoch; against 52.0 %, the median of 5 others at that epoch",
        ),
    ],
)
def test_against_what_a_curve_was_held(config: dict[str, Any], slow: list[float], expected: str) -> None:
    assert said(config, CURVES, slow) == expected


def test_a_forecast_is_told_with_the_value_that_it_falls_short_of() -> None:
    # All others rise alike, so that where a curve ends is all but certain after two epochs.
    told = said({"name": "forecast", "arguments": {"at_least": 2, "p": 0.1}}, CURVES, [0.1])
    assert told.startswith("forecast to end above ")
    assert told.endswith("% with a probability of 0.1, against 65.0 %, place 2 of 5 that ended")


def test_of_a_bracket_it_is_said_that_it_is_one() -> None:
    config = parse(PrunerConfig, {"name": "hyperband"}, "pruner")
    study = optuna.create_study(direction="maximize")
    study.ask().report(0.1, 1)
    told = held_against(config, EPOCHS, None, study.get_trials(), 0)
    assert told == "not among the best 1 in 3 of its bracket that came as far"
