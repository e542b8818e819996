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


def _by_the_epochs(schema: dict[str, Any]) -> None:
    """Take the default out of a field's schema: of an argument that is left out, `sweep.search.pruners` chooses it."""
    schema.pop("default")


class NoArguments(Config):
    """Of a sampler or pruner that takes none."""


class TpeArguments(Config):
    """Of the tree-structured Parzen estimator."""

    n_startup_trials: Count = Field(
        default=10, description="configurations drawn by chance before the model proposes"
    )
    n_ei_candidates: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=24,
        description="points drawn from the model for each proposal, of which the most promising is taken",
    )
    multivariate: bool = Field(default=False, description="model all fields together, rather than each alone")
    group: bool = Field(
        default=False,
        description="with multivariate: fields that vary under a condition in groups of their own",
    )
    constant_liar: bool = Field(
        default=True,
        description="take what is under way for bad, so that many workers do not crowd in one place",
    )


class GpArguments(Config):
    """Of the Gaussian process."""

    n_startup_trials: Count = Field(
        default=10, description="configurations drawn by chance before the model proposes"
    )
    deterministic_objective: bool = Field(default=False, description="take scores to be free of chance")


class CmaesArguments(Config):
    """Of CMA-ES."""

    n_startup_trials: Count = Field(
        default=1, description="configurations drawn by chance before the first generation"
    )
    consider_pruned_trials: bool = Field(default=False, description="learn from pruned configurations too")
    popsize: Several | None = Field(
        default=None,
        description="configurations of a generation; null: 4 and three times the logarithm of the number of fields",
    )
    use_separable_cma: bool = Field(default=False, description="model each field alone, for many fields")
    with_margin: bool = Field(
        default=False, description="keep fields with steps from being stuck at one value"
    )
    lr_adapt: bool = Field(default=False, description="learn more slowly where scores are noisy")


class Nsga2Arguments(Config):
    """Of the genetic algorithm NSGA-II."""

    population_size: Several = Field(default=50, description="configurations of a generation")
    mutation_prob: Share | None = Field(
        default=None, description="chance that a field is drawn anew; null: one over the number of fields"
    )
    crossover_prob: Share = Field(default=0.9, description="chance that a child is made of two parents")
    swapping_prob: Share = Field(default=0.5, description="chance that a field comes from the second parent")


class QmcArguments(Config):
    """Of the quasi-random sequences."""

    qmc_type: Literal["sobol", "halton"] = Field(default="sobol", description="which sequence")
    scramble: bool = Field(default=False, description="shift the sequence by chance, by the sampler's seed")


SAMPLER_ARGUMENTS: Mapping[str, type[Config]] = {
    "tpe": TpeArguments,
    "gp": GpArguments,
    "cmaes": CmaesArguments,
    "nsga2": Nsga2Arguments,
    "qmc": QmcArguments,
}


class ForecastArguments(Config):
    """Of our own pruner (`sweep.search.forecast_pruner`)."""

    p: Annotated[float, Field(gt=0, lt=0.5)] = Field(
        default=0.01, description="stopped when the probability of ending among the best is below"
    )
    share: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.15, description="of the configurations whose first seed has ended: how many are the best"
    )
    at_least: Positive = Field(default=5, description="configurations that count as the best in any case")


class MedianArguments(Config):
    """Of the pruner that stops below the median."""

    n_startup_trials: Count = Field(
        default=5, description="first seeds that must have ended before one is stopped"
    )
    n_warmup_steps: Count = Field(
        default=0,
        description="the first epoch with a verdict; without it, that after the first third of the epochs",
        json_schema_extra=_by_the_epochs,
    )
    interval_steps: Positive = Field(default=1, description="epochs from one verdict to the next")
    n_min_trials: Positive = Field(
        default=1, description="first seeds that must have come to an epoch for a verdict there"
    )


class PercentileArguments(MedianArguments):
    """Of the pruner that stops outside the best percentage."""

    percentile: Annotated[float, Field(ge=0, le=100)] = Field(
        default=25.0, description="of the scores at an epoch: how many of the best, in percent, go on"
    )


class HalvingArguments(Config):
    """Of successive halving."""

    min_resource: Positive | Literal["auto"] = Field(
        default="auto", description="epochs before the first verdict; auto: by the first configuration"
    )
    reduction_factor: Several = Field(default=4, description="of so many at a verdict one goes on")
    min_early_stopping_rate: Annotated[int, Field(ge=0, le=100)] = Field(
        default=0, description="verdicts left out at the beginning"
    )
    bootstrap_count: Count = Field(
        default=0, description="configurations that must have come to a verdict before one goes on"
    )


class HyperbandArguments(Config):
    """Of hyperband."""

    min_resource: Positive = Field(default=1, description="epochs before the first verdict")
    max_resource: Positive | Literal["auto"] = Field(
        default="auto",
        description="epochs of a whole curve; auto: by the first configuration; without it those of the recipe",
        json_schema_extra=_by_the_epochs,
    )
    reduction_factor: Several = Field(default=3, description="of so many at a verdict one goes on")
    bootstrap_count: Count = Field(
        default=0, description="configurations that must have come to a verdict before one goes on"
    )


class ThresholdArguments(Config):
    """Of the pruner that stops outside of two bounds."""

    lower: Annotated[float, Field(ge=-1e6, le=1e6)] | None = Field(
        default=None, description="stopped below this score, a fraction; null: no bound"
    )
    upper: Annotated[float, Field(ge=-1e6, le=1e6)] | None = Field(
        default=None, description="stopped above this score, a fraction; null: no bound"
    )
    n_warmup_steps: Count = Field(default=0, description="the first epoch with a verdict")
    interval_steps: Positive = Field(default=1, description="epochs from one verdict to the next")


class PatientArguments(Config):
    """Of the pruner that gives another one patience; `wrapped_pruner` is that of a study file, null for none."""

    patience: Count = Field(
        default=1,
        description="epochs without a rise before the wrapped pruner may stop; without it a fifth of the epochs",
        json_schema_extra=_by_the_epochs,
    )
    min_delta: Annotated[float, Field(ge=0, le=1e6)] = Field(
        default=0.0, description="a rise that counts, a fraction"
    )
    wrapped_pruner: dict[str, Any] | None = Field(
        default=None,
        description="whose verdicts wait, as `{name, arguments}`; null: patience alone decides; without it median",
        json_schema_extra=_by_the_epochs,
    )


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
