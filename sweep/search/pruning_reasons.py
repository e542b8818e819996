"""Against what a pruner held the curve that it stopped, in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from optuna.pruners import BasePruner
from optuna.trial import FrozenTrial, TrialState

from data.quantities import counted
from sweep.config.study_parts import PrunerConfig
from sweep.search.forecast_pruner import ForecastPruner
from sweep.search.pruners import arguments_of, wrapped_by

REDUCTION = {"successive_halving": 4, "hyperband": 3}
"""Optuna's `reduction_factor` of each, where the study sets none."""
LIMITS = ("lower", "upper")


def held_against(
    config: PrunerConfig, epochs: int, pruner: BasePruner | None, trials: Sequence[FrozenTrial], stopped: int
) -> str:
    """Say against what a pruner held the trial of the number `stopped`, which it has just stopped.

    `pruner` was built from `config` for so many `epochs`. `trials`: all of the study, by number, as they were when the
    pruner was asked. Rates are told in percent. Empty for a pruner that compares with nothing.
    """
    arguments, trial = arguments_of(config, epochs), trials[stopped]
    if isinstance(pruner, ForecastPruner):
        return pruner.held_against(trial)
    if config.name in ("median", "percentile"):
        return _against_others(trials, trial, float(arguments.get("percentile", 50.0)))
    if config.name in REDUCTION:
        factor = arguments.get("reduction_factor", REDUCTION[config.name])
        where = " of its bracket" if config.name == "hyperband" else ""
        return f"not among the best 1 in {factor}{where} that came as far"
    if config.name == "threshold":
        limits = [f"{name} limit of {_percent(arguments[name])}" for name in LIMITS if name in arguments]
        return f"against the {' and the '.join(limits)}"
    if config.name == "patient":
        longer = f"no better for {counted(arguments['patience'], 'epoch')}"
        if (wrapped := wrapped_by(config)) is None:
            return longer
        within = vars(pruner).get("_wrapped_pruner")
        return f"{longer}; {held_against(wrapped, epochs, within, trials, stopped)}"
    return ""


def _against_others(trials: Sequence[FrozenTrial], trial: FrozenTrial, best_share: float) -> str:
    """Tell the value that parts the best `best_share` percent, at this epoch, of the trials that ended."""
    values = [
        one.intermediate_values[trial.last_step]
        for one in trials
        if one.state is TrialState.COMPLETE and trial.last_step in one.intermediate_values
    ]
    value = _percent(float(np.nanpercentile(values, 100 - best_share)))
    what = "the median" if best_share == 50 else f"the lowest of the best {best_share:g} %"
    return f"against {value}, {what} of {counted(len(values), 'other')} at that epoch"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f} %"
