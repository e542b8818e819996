"""The pruners by name, Optuna's and our own, each built for curves of a given length."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.pruners import BasePruner
from optuna.study import Study
from optuna.trial import FrozenTrial

from data.settings import ConfigError, parse
from sweep.config.study_parts import PrunerConfig
from sweep.search.forecast_pruner import ForecastPruner


class HyperbandPruner(optuna.pruners.HyperbandPruner):
    """Optuna's hyperband with brackets remembered; Optuna works out the bracket of every earlier trial at each rung."""

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._brackets: dict[int, int] = {}

    def _get_bracket_id(self, study: Study, trial: FrozenTrial) -> int:
        bracket = self._brackets.get(trial.number)
        if bracket is None:
            bracket = super()._get_bracket_id(study, trial)
            # Until the pruner knows its brackets it answers 0.
            if self._pruners:
                self._brackets[trial.number] = bracket
        return bracket


def build_pruner(config: PrunerConfig, epochs: int) -> BasePruner:
    """Build the pruner of a study whose units train `epochs` epochs.

    Raises ConfigError when the pruner refuses the arguments.
    """
    arguments = arguments_of(config, epochs)
    if (wrapped := wrapped_by(config)) is not None:
        arguments["wrapped_pruner"] = build_pruner(wrapped, epochs)
    if config.name == "forecast":
        arguments["epochs"] = epochs
    kind = {
        "forecast": ForecastPruner,
        "median": optuna.pruners.MedianPruner,
        "percentile": optuna.pruners.PercentilePruner,
        "hyperband": HyperbandPruner,
        "successive_halving": optuna.pruners.SuccessiveHalvingPruner,
        "threshold": optuna.pruners.ThresholdPruner,
        "patient": optuna.pruners.PatientPruner,
        "none": optuna.pruners.NopPruner,
    }[config.name]
    try:
        # Optuna warns that the patient pruner is experimental, which concerns its developers, not our users.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return kind(**arguments)
    except (TypeError, ValueError) as error:
        whose = "" if kind is ForecastPruner else "Optuna's "
        raise ConfigError(f"pruner.arguments: {whose}{kind.__name__} refuses them: {error}") from error


def arguments_of(config: PrunerConfig, epochs: int) -> dict[str, Any]:
    """Complete a pruner's arguments with what we set where a study, whose units train `epochs` epochs, does not."""
    arguments: dict[str, Any] = dict(config.arguments)
    if config.name in ("median", "percentile"):
        # Optuna spares the steps below this number, and ours count from 1.
        arguments.setdefault("n_warmup_steps", epochs // 3 + 1)
    if config.name == "percentile":
        arguments.setdefault("percentile", 25.0)
    if config.name == "hyperband":
        arguments.setdefault("max_resource", epochs)
    if config.name == "patient":
        arguments.setdefault("patience", max(1, epochs // 5))
    return arguments


def wrapped_by(config: PrunerConfig) -> PrunerConfig | None:
    """Return the settings of the pruner that a patient one asks; None where there is none, and of all others."""
    wrapped = config.arguments.get("wrapped_pruner", {"name": "median"})
    if config.name != "patient" or wrapped is None:
        return None
    return parse(PrunerConfig, wrapped, "pruner.arguments.wrapped_pruner")


def goes_by_order(config: PrunerConfig) -> bool:
    """Whether verdicts depend on the order in which epochs of different configurations were heard."""
    if (wrapped := wrapped_by(config)) is not None:
        return goes_by_order(wrapped)
    return config.name in ("hyperband", "successive_halving")
