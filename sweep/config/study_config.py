"""A study file, typed: what is searched, on which recordings, with which budget, on which machines."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from data.bands import rankings_written_out
from data.fields import FieldsOf
from data.population import Population, as_population
from data.settings import Config, ConfigError, parse, read_yaml
from data.task import ICBHI, Task, task_named
from evidence.objectives import OBJECTIVES, Objective, objective_of
from model.training.recipe import Recipe
from model.weights_file import absolute_source
from sweep.config.other_words import in_our_words
from sweep.config.overrides import override
from sweep.config.parameters import Parameter, Value
from sweep.config.search_space import NETWORK, SearchSpace
from sweep.config.study_checks import contradictions
from sweep.config.study_parts import (
    CrossesConfig,
    FinishesConfig,
    PrunerConfig,
    ResourcesConfig,
    SamplerConfig,
    SyntheticConfig,
)
from sweep.storage.credentials import holds_secret
from sweep.study.budget import BudgetConfig
from sweep.study.racing import ContendersConfig, RacingConfig

ENUMERATED = ("grid", "one_at_a_time")
"""Samplers that come to an end by themselves."""
LEAKS = "the test part is answered at every epoch (leak: true), into files that no score, choice or run has a share in"
"""What is said of a study with `leak: true` wherever it is shown."""
PUBLISHED = (
    "protocol: published, as papers do: every score is the best epoch on the official test part, which chose everything "
    "here; it is no held-out score, and not to be compared with honest ones"
)
"""What is said of a study with `protocol: published` wherever it is shown."""
WEIGHTS = "backbone.pretrained"
"""The recipe field that names a file."""


class StudyConfig(Config):
    """A study file: `recipe` holds what is fixed, `search` what varies."""

    data: SyntheticConfig | str | None = Field(
        default=None, description="recordings: a directory, or synthetic ones"
    )
    task: str | None = Field(
        default=None,
        description="what is told apart, of data with several tasks: icbhi, 1-1, 1-2, 2-1 or 2-2, or a task of your "
        "own as module:NAME; null: the only one",
    )
    protocol: Literal["honest", "published"] = Field(
        default="honest",
        description="honest: scored on held-out patients of the training part; published: trained on all of them, the "
        "best epoch on the official test part counts, to compare like with like",
    )
    recipe: Annotated[dict[str, Any], FieldsOf(Recipe)] = Field(
        default_factory=dict, description="recipe fields that differ from the defaults"
    )
    search: dict[str, Parameter] = Field(
        min_length=1,
        max_length=1000,
        description="what varies: a parameter for each recipe field, by dotted name or nested as in a recipe",
    )
    enqueue: tuple[dict[str, Value], ...] = Field(
        (), max_length=10_000, description="known points, tried first: {dotted field: value}"
    )
    seeds: tuple[Annotated[int, Field(ge=-(2**63), lt=2**63)], ...] = Field(
        (1, 2, 3, 4, 5), min_length=1, max_length=1000, description="the same for every configuration"
    )
    objective: Objective | tuple[Literal["sensitivity"], Literal["specificity"]] = Field(
        default="score",
        description="what the study maximises and ranks by; two: their Pareto front, and what ranks is the score",
    )
    folds: Literal["one", "all"] = Field(
        default="one",
        description="all: after the search its finalists are validated on every fold of patients, and ranked by that",
    )
    finalists: int = Field(
        default=4,
        ge=1,
        le=100,
        description="with `folds: all`: the best and those tied with it, at most so many",
    )
    sampler: SamplerConfig = SamplerConfig()
    pruner: PrunerConfig = PrunerConfig()
    racing: RacingConfig = ContendersConfig()
    schedule: Literal["breadth", "sequential"] = Field(
        default="breadth",
        description="breadth: a first seed for every configuration before further ones; sequential: all seeds that one "
        "deserves before the next configuration",
    )
    budget: BudgetConfig = BudgetConfig()
    resources: ResourcesConfig = ResourcesConfig()
    finishes: FinishesConfig | None = Field(
        default=None, description="of a study that `respsweep finish` made: what it trains; null: a search"
    )
    leak: bool = Field(
        default=False,
        description="also answer the official test part after every epoch, apart from all scores; written down in the "
        "ledger, and shown by `respsweep leak` alone",
    )
    crosses: CrossesConfig | None = Field(
        default=None,
        description="of a study that `folds: all` made: whose finalists it trains; null: a search",
    )
    tracking_uri: str | None = Field(
        default=None, description="MLflow server; null: a database in the study folder"
    )

    @model_validator(mode="before")
    @classmethod
    def _in_our_words(cls, content: Any) -> Any:
        if not isinstance(content, Mapping):
            return content
        content = in_our_words(content)
        if content.get("protocol") == "published":
            content["recipe"] = _as_published(content.get("recipe", {}))
        sampler = content.get("sampler")
        name = sampler.get("name") if isinstance(sampler, Mapping) else getattr(sampler, "name", None)
        if name in ENUMERATED and BudgetConfig.is_unbounded(content.get("budget", {})):
            content["budget"] = BudgetConfig.endless()
        return content

    @field_validator("task")
    @classmethod
    def _is_known(cls, task: str | None) -> str | None:
        if task is not None:
            task_named(task)
        return task

    @field_validator("seeds")
    @classmethod
    def _differ(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError(f"the same seed twice would count one result twice, got {list(seeds)}")
        return seeds

    @field_validator("tracking_uri")
    @classmethod
    def _holds_no_secret(cls, uri: str | None) -> str | None:
        if uri is not None and holds_secret(uri):
            raise ValueError(
                "holds a user or password, which the study file and the journal would keep; leave them out, and set "
                "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return uri

    @model_validator(mode="after")
    def _searches_recipes(self) -> Self:
        if problems := contradictions(self):
            raise ConfigError("\n".join(problems))
        return self

    @property
    def scored_task(self) -> Task:
        """The task that the study is scored on: ICBHI's four classes where the file names none.

        Data with several tasks run under a named one alone, so a stored study that names none is of ICBHI's.
        """
        return ICBHI if self.task is None else task_named(self.task)

    @property
    def scored_population(self) -> Population:
        """Whose cycles alone are scored, by age (`folds.population`); the same for all configurations."""
        folds = self.recipe.get("folds")
        return as_population(folds.get("population", "all")) if isinstance(folds, Mapping) else "all"

    @property
    def holds_out(self) -> bool:
        """Whether the scores are of patients that were held out.

        Not of a study that finishes another, nor of one that follows the published protocol.
        """
        return self.finishes is None and self.protocol == "honest"

    @property
    def label(self) -> str | None:
        """Say wherever the study is shown what it does with the official test part; None when it does not read it."""
        if self.protocol == "published":
            return PUBLISHED
        return LEAKS if self.leak else None

    @property
    def searches(self) -> bool:
        """Whether the study chooses among configurations; not of one that finishes another or crosses its folds."""
        return self.finishes is None and self.crosses is None

    @property
    def trains_heads(self) -> bool:
        """Whether every unit trains a head on a frozen encoder, which takes less than a second."""
        frozen = self.recipe.get("frozen")
        fixed = isinstance(frozen, Mapping) and frozen.get("encoder") is True
        return fixed and "frozen.encoder" not in self.search

    @property
    def objectives(self) -> tuple[str, ...]:
        """The numbers that the sampler maximises, as reports name them."""
        return (OBJECTIVES[self.objective],) if isinstance(self.objective, str) else self.objective

    @property
    def ranking_objective(self) -> Objective:
        """What configurations are pruned, raced and ranked by: of two objectives, their score."""
        return objective_of(self.objectives)

    @property
    def ranking_metric(self) -> str:
        """The number that this objective is, as reports name it."""
        return OBJECTIVES[self.ranking_objective]

    def resolved(self) -> StudyConfig:
        """Write out every setting of the recipe, and the absolute places of the recordings and of pretrained weights.

        A ranking of bands stands there itself in place of its file. So neither later defaults nor another working
        directory, nor a file that is changed, change the study. Raises ConfigError for a ranking that cannot be read.
        """
        content = self.model_dump(mode="json")
        if isinstance(self.data, str):
            content["data"] = str(Path(self.data).absolute())
        # The fixed settings may be a recipe only together with searched ones.
        with contextlib.suppress(ConfigError):
            content["recipe"] = self.space.recipe({}).model_dump(mode="json")
            # Of several networks each has a size of its own, unless the study names one.
            if NETWORK in self.search and not (self.recipe.get("backbone") or {}).get("variant"):
                content["recipe"]["backbone"]["variant"] = None
        _write_out_bands(content, self.recipe)
        _make_weights_absolute(content)
        return StudyConfig.model_validate(content)

    def any_recipe(self) -> Recipe:
        """Choose a recipe that shows on what the study rests: the fixed settings, if they are one without searched ones.

        Otherwise it is that of the first enqueued point, or of the first point that the search may come to.
        """
        try:
            return self.space.recipe({})
        except ConfigError:
            point = self.space.active(self.enqueue[0]) if self.enqueue else self.space.first_point()
            return self.space.recipe(point)

    @property
    def named_weights(self) -> list[str]:
        """Sources of pretrained weights that the study may come to, as it names them."""
        backbone = self.recipe.get("backbone")
        fixed = backbone.get("pretrained") if isinstance(backbone, Mapping) else None
        searched = getattr(self.search.get(WEIGHTS), "choices", ())
        named = [fixed, *searched, *(point.get(WEIGHTS) for point in self.enqueue)]
        return list(dict.fromkeys(str(source) for source in named if source is not None))

    @cached_property
    def space(self) -> SearchSpace:
        return SearchSpace(self.search, self.recipe, crosses=self.crosses is not None)


def _as_published(recipe: Any) -> Any:
    """Put in place of the recipe's defaults what the published protocol asks for: nobody held out, the best epoch."""
    if not isinstance(recipe, Mapping):
        return recipe
    folds = recipe.get("folds", {})
    if isinstance(folds, Mapping):
        recipe = {**recipe, "folds": {"fold": None, **folds}}
    return {"selection": "best", **recipe}


def _write_out_bands(content: dict[str, Any], written: Mapping[str, Any]) -> None:
    """Keep how a study's fixed settings say which bands are kept, as a search may put in what is missing there."""
    features = written.get("features")
    bands = features.get("bands") if isinstance(features, Mapping) else None
    if isinstance(bands, dict):
        content["recipe"]["features"]["bands"] = rankings_written_out(bands)


def _make_weights_absolute(content: dict[str, Any]) -> None:
    """Make the paths of pretrained weights absolute, wherever a study names some."""
    backbone = content["recipe"].get("backbone")
    if isinstance(backbone, dict) and "pretrained" in backbone:
        backbone["pretrained"] = absolute_source(backbone["pretrained"])
    searched = content["search"].get(WEIGHTS, {})
    if "choices" in searched:
        searched["choices"] = [absolute_source(choice) for choice in searched["choices"]]
    for parameter in content["search"].values():
        if isinstance(parameter["when"], dict) and WEIGHTS in parameter["when"]:
            parameter["when"][WEIGHTS] = [absolute_source(value) for value in parameter["when"][WEIGHTS]]
    for point in content["enqueue"]:
        if WEIGHTS in point:
            point[WEIGHTS] = absolute_source(point[WEIGHTS])


def read_study(path: Path | None, settings: Mapping[str, Any] | None = None) -> StudyConfig:
    """Read the study in a YAML file, with `settings` by dotted field in place of the file's own.

    Raises ConfigError, naming file, field and what would be right, also when there is no file (None).
    """
    if path is None:
        raise ConfigError("no study file: give one, e.g. search_spaces/quickstart.yaml, or name a study")
    content = read_yaml(path)
    override(content, settings or {})
    return parse(StudyConfig, content, str(path))


def with_settings(config: StudyConfig, settings: Mapping[str, Any], where: str) -> StudyConfig:
    """Put `settings`, by dotted field, in place of a study's own. Raises ConfigError, opened by `where`."""
    content = config.model_dump(mode="json")
    override(content, settings)
    return parse(StudyConfig, content, where)
