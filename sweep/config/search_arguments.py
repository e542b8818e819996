"""What may be said to each sampler and pruner under `arguments`: names as Optuna has them, with types and bounds.

What Optuna is about to remove is left out, and so are functions, which a study file cannot hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from data.settings import Config, ConfigError, parse

Count = Annotated[int, Field(ge=0, le=1_000_000)]
Positive = Annotated[int, Field(ge=1, le=1_000_000)]
Several = Annotated[int, Field(ge=2, le=10_000)]
Share = Annotated[float, Field(ge=0, le=1)]


class NoArguments(Config):
    """Of a sampler or pruner that takes none."""


class TpeArguments(Config):
    """Of the tree-structured Parzen estimator."""

    n_startup_trials: Count = 10
    n_ei_candidates: Annotated[int, Field(ge=1, le=100_000)] = 24
    multivariate: bool = False
    group: bool = False
    constant_liar: bool = True


class GpArguments(Config):
    """Of the Gaussian process."""

    n_startup_trials: Count = 10
    deterministic_objective: bool = False


class CmaesArguments(Config):
    """Of CMA-ES."""

    n_startup_trials: Count = 1
    consider_pruned_trials: bool = False
    popsize: Several | None = None
    use_separable_cma: bool = False
    with_margin: bool = False
    lr_adapt: bool = False


class Nsga2Arguments(Config):
    """Of the genetic algorithm NSGA-II."""

    population_size: Several = 50
    mutation_prob: Share | None = None
    crossover_prob: Share = 0.9
    swapping_prob: Share = 0.5


class QmcArguments(Config):
    """Of the quasi-random sequences."""

    qmc_type: Literal["sobol", "halton"] = "sobol"
    scramble: bool = False


SAMPLER_ARGUMENTS: Mapping[str, type[Config]] = {
    "tpe": TpeArguments,
    "gp": GpArguments,
    "cmaes": CmaesArguments,
    "nsga2": Nsga2Arguments,
    "qmc": QmcArguments,
}


class ForecastArguments(Config):
    """Of our own pruner (`sweep.search.forecast_pruner`)."""

    p: Annotated[float, Field(gt=0, lt=0.5)] = 0.01
    share: Annotated[float, Field(gt=0, le=1)] = 0.15
    at_least: Positive = 5


class MedianArguments(Config):
    """Of the pruner that stops below the median."""

    n_startup_trials: Count = 5
    n_warmup_steps: Count = 0
    interval_steps: Positive = 1
    n_min_trials: Positive = 1


class PercentileArguments(MedianArguments):
    """Of the pruner that stops outside the best percentage."""

    percentile: Annotated[float, Field(ge=0, le=100)] = 25.0


class HalvingArguments(Config):
    """Of successive halving."""

    min_resource: Positive | Literal["auto"] = "auto"
    reduction_factor: Several = 4
    min_early_stopping_rate: Annotated[int, Field(ge=0, le=100)] = 0
    bootstrap_count: Count = 0


class HyperbandArguments(Config):
    """Of hyperband."""

    min_resource: Positive = 1
    max_resource: Positive | Literal["auto"] = "auto"
    reduction_factor: Several = 3
    bootstrap_count: Count = 0


class ThresholdArguments(Config):
    """Of the pruner that stops outside of two bounds."""

    lower: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    upper: Annotated[float, Field(ge=-1e6, le=1e6)] | None = None
    n_warmup_steps: Count = 0
    interval_steps: Positive = 1


class PatientArguments(Config):
    """Of the pruner that gives another one patience; `wrapped_pruner` is that of a study file, null for none."""

    patience: Count = 1
    min_delta: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    wrapped_pruner: dict[str, Any] | None = None


PRUNER_ARGUMENTS: Mapping[str, type[Config]] = {
    "forecast": ForecastArguments,
    "median": MedianArguments,
    "percentile": PercentileArguments,
    "hyperband": HyperbandArguments,
    "successive_halving": HalvingArguments,
    "threshold": ThresholdArguments,
    "patient": PatientArguments,
}


def checked_arguments(kind: type[Config], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments as they are to be used. Raises ValueError, which names what is wrong, for others."""
    try:
        return parse(kind, dict(arguments), "").model_dump(exclude_unset=True)
    except ConfigError as error:
        raise ValueError("; ".join(line.removeprefix(": ") for line in str(error).splitlines())) from None
