"""Optuna's pruners by name: a step is an epoch."""

from __future__ import annotations

import warnings
from typing import Any

import optuna
from optuna.pruners import BasePruner

from data.config import ConfigError, parse
from sweep.config import PrunerConfig


def build_pruner(config: PrunerConfig, epochs: int) -> BasePruner:
    """The pruner of a study whose units train `epochs` epochs.

    Raises ConfigError when Optuna refuses the arguments.
    """
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
        wrapped = arguments.get("wrapped_pruner", {})
        if wrapped is not None:
            settings = parse(PrunerConfig, wrapped, "pruner.arguments.wrapped_pruner")
            arguments["wrapped_pruner"] = build_pruner(settings, epochs)
    kind = {
        "median": optuna.pruners.MedianPruner,
        "percentile": optuna.pruners.PercentilePruner,
        "hyperband": optuna.pruners.HyperbandPruner,
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
        raise ConfigError(f"pruner.arguments: Optuna's {kind.__name__} refuses them: {error}") from error
