"""The parts of a study file: made-up recordings, sampler, pruner, resources, and which study it goes on from."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from data.settings import Config, parse
from sweep.config.search_arguments import (
    PRUNER_ARGUMENTS,
    SAMPLER_ARGUMENTS,
    NoArguments,
    checked_arguments,
)
from sweep.study.silence import Patience

RESOURCES = {"CPU": "cpu", "GPU": "gpu"}
"""Fields of `resources` in a study file, by Ray's names."""
LEAST_SHARE = 0.0001
"""The smallest part of a resource that Ray counts."""


class SyntheticConfig(Config):
    """Breaths made up by `data.synthetic`, for a study without recordings."""

    patients: int = Field(default=24, ge=8, le=10_000, description="official training and test part together")
    seed: int = Field(default=0, ge=0, lt=2**32, description="of all that is made up")


class SamplerConfig(Config):
    """Where new configurations come from: one of Optuna's samplers, or an enumeration of the search space.

    `grid` goes through every combination, `one_at_a_time` through the values of one field after the other
    with the rest as in `recipe`; both end when they are through, without a budget too. `arguments` go to Optuna's
    class (`sweep.config.search_arguments`).
    """

    name: Literal["tpe", "gp", "cmaes", "nsga2", "qmc", "random", "grid", "one_at_a_time"] = Field(
        default="tpe",
        description="who proposes; grid: every combination, one_at_a_time: one field after the other",
    )
    seed: int = Field(default=0, ge=0, lt=2**32, description="of the sampler's own chance")
    arguments: dict[str, Any] = Field(
        default_factory=dict, description="what the sampler takes beside its seed"
    )

    @field_validator("arguments")
    @classmethod
    def _fit_the_sampler(cls, arguments: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        kind = SAMPLER_ARGUMENTS.get(info.data.get("name", ""), NoArguments)
        return checked_arguments(kind, arguments) if "name" in info.data else arguments


class PrunerConfig(Config):
    """Which pruner stops a configuration on its first seed's curve, by name; a step is an epoch.

    `forecast` is our own (`sweep.search.forecast_pruner`): it stops a curve that will hardly end among the best, as far
    as curves that ended tell, with the arguments `p`, `share` and `at_least`. The others are Optuna's, with Optuna's
    arguments. Without `n_warmup_steps` in them the median and percentile pruners spare the first third of the epochs.
    `patient` wraps another pruner, its argument `wrapped_pruner: {name, arguments}`: median unless given, patience alone
    when null.

    With two objectives the pruner looks at the score, and spares a configuration that no finished one beats in both.
    """

    name: Literal[
        "forecast",
        "median",
        "percentile",
        "hyperband",
        "successive_halving",
        "threshold",
        "patient",
        "none",
    ] = Field(default="forecast", description="who stops a first seed on its curve")
    arguments: dict[str, Any] = Field(default_factory=dict, description="what the pruner takes")

    @field_validator("arguments")
    @classmethod
    def _fit_the_pruner(cls, arguments: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "name" not in info.data:
            return arguments
        checked = checked_arguments(PRUNER_ARGUMENTS.get(info.data["name"], NoArguments), arguments)
        if checked.get("wrapped_pruner") is not None:
            wrapped = parse(cls, checked["wrapped_pruner"], "wrapped_pruner")
            checked["wrapped_pruner"] = wrapped.model_dump(exclude_unset=True)
        return checked


class ResourcesConfig(Config):
    """What one unit takes on its machine."""

    cpu: float = Field(default=1, ge=LEAST_SHARE, le=100_000, description="cores of one unit")
    gpu: float = Field(default=0, ge=0, le=100_000, description="a fraction shares a GPU")
    custom: dict[str, Annotated[float, Field(ge=LEAST_SHARE, le=1e15)]] = Field(
        default_factory=dict,
        description='others of Ray\'s resources, e.g. {"accelerator_type:A10G": 0.001} for nodes with such a GPU',
    )
    concurrent: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000,
        description="units at a time; null: as many as fit, also while nodes come and go",
    )
    max_failures: int = Field(
        default=2,
        ge=0,
        le=1_000_000,
        description="deaths that count against a unit since its last ended epoch (docs/engine.md); one more fails it",
    )
    patience: Patience = Field(
        default="auto",
        description="hours without news after which a unit's worker is killed (docs/engine.md); auto: 10 times the "
        "longest epoch, at least 10 minutes, or an hour while no epoch was ended; null: never",
    )
    checkpoint_minutes: float = Field(
        default=0.0,
        ge=0,
        le=1e6,
        description="0: a unit saves every epoch before it is reported; else minutes between two saves, at the end of "
        "an epoch, written while it trains on (docs/engine.md)",
    )
    cuda_graphs: Literal["never", "auto"] = Field(
        default="never",
        description="auto: a training step on a GPU is captured once and replayed, where that can be done and gives the "
        "same numbers (docs/benchmarks.md); never by default, as no GPU has tried it yet",
    )

    @field_validator("gpu")
    @classmethod
    def _is_counted(cls, gpu: float) -> float:
        if 0 < gpu < LEAST_SHARE:
            raise ValueError(f"must be 0, or {LEAST_SHARE} or more, got {gpu:g}")
        return gpu

    @field_validator("custom")
    @classmethod
    def _are_others(cls, custom: dict[str, float]) -> dict[str, float]:
        for name in RESOURCES.keys() & custom.keys():
            raise ValueError(f"{name} has a field of its own; write it as resources.{RESOURCES[name]}")
        return custom


class FinishesConfig(Config):
    """Which configuration of another study a study trains on all patients (`respsweep finish`)."""

    study: str = Field(max_length=255, description="the study that searched")
    study_id: str = Field(max_length=64, description="the id in its provenance")
    configuration: int = Field(ge=0, lt=2**31, description="the configuration, by its number")
    unified: bool = Field(
        default=False,
        description="whether on patients of any age, beside the study that finishes it for some (`population`)",
    )


class CrossesConfig(Config):
    """Whose finalists a study trains on the other folds of patients (`folds: all`)."""

    study: str = Field(max_length=255, description="the study that searched")
    study_id: str = Field(max_length=64, description="the id in its provenance")
